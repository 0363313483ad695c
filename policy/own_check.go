// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/resilience"
)

// number is what a range can be of.
type number interface {
	int | int64 | uint32 | float64 | time.Duration
}

// checkRange holds that a field which is set is within bounds. What is left out is the
// default.
func checkRange[N number](c cursor, v, least, most N) {
	if c.isSet() && !(v >= least && v <= most) { // also what is not a number
		c.refuse("%v is out of range: write %v to %v", v, least, most)
	}
}

// checkAbove is checkRange for what must be above 0.
func checkAbove(c cursor, v, most float64) {
	if c.isSet() && !(v > 0 && v <= most) {
		c.refuse("%v is out of range: write a number above 0, at most %v", v, most)
	}
}

// needed holds that a field is set.
func needed(c cursor, what string) {
	if !c.isSet() {
		c.refuse("%s is missing: add %s", what, c.name())
	}
}

// one holds that exactly one of several fields is set.
func one(c cursor, names ...string) {
	var set []string
	for _, name := range names {
		if c.field(name).isSet() {
			set = append(set, name)
		}
	}
	switch len(set) {
	case 0:
		c.refuse("nothing is said: add one of %s", list(names))
	case 1:
	default:
		c.field(set[1]).refuse("%s is set too, and only one of them may be: remove one", set[0])
	}
}

// checkEndings holds that a text lists endings of a call.
func checkEndings(c cursor, text string) {
	if !c.isSet() {
		return
	}
	on, err := resilience.ParseOn(text)
	switch {
	case err != nil:
		c.refuse("%s: correct it", strings.TrimPrefix(err.Error(), "resilience: "))
	case on == (resilience.On{}):
		c.refuse("it lists nothing: add words such as failure, or leave it out for the default")
	}
}

// endings is the endings of a text that was checked.
func endings(text string) resilience.On {
	on, err := resilience.ParseOn(text)
	if err != nil { // refused already
		return resilience.On{}
	}
	return on
}

// checkCalls holds the rules for which calls a policy is for, on a client or on a server.
func checkCalls(c cursor, blocks []*networking.HTTPMatchRequest, server bool) {
	checkSize(c, len(blocks))
	for i, m := range blocks {
		at := c.item(i)
		checkHTTPMatch(at, m)
		if len(m.GetGateways()) > 0 {
			at.field("gateways").refuse("this kind knows no gateways: remove it")
		}
		if labels := at.field("sourceLabels"); server && labels.isSet() {
			labels.refuse("no call tells a server its caller's labels, so that this would take none: use sourceNamespace, or a key with principal")
		}
	}
}

// calls compiles which calls a policy is for. On a client, what a match says of the caller
// is decided now; on a server, for each call. never: no call of this process is.
func (b *builder) calls(c cursor, blocks []*networking.HTTPMatchRequest, server bool) (out []*route.Match, never bool) {
	if !server {
		f := b.matches(c, blocks)
		return f.out, f.never()
	}
	for i, m := range blocks {
		at := c.item(i)
		match := matchOf(at, m)
		if match == nil {
			continue // refused
		}
		out = append(out, match)
	}
	return out, false
}

// built notes what the package below has against a configuration, which is a mistake that
// check has let through.
func built(c cursor, err error) {
	if err != nil {
		c.refuse("%v: correct it", err)
	}
}

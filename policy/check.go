// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	networking "istio.io/api/networking/v1alpha3"
)

// maxRetries bounds the attempts of retries: beyond it they are surely a mistake.
const maxRetries = 99

// maxRegex bounds a regular expression, in bytes, as Istio does.
const maxRegex = 1024

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
var hostLabel = regexp.MustCompile(`^[a-zA-Z0-9_]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9_])?$`)
var headerName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9a-zA-Z]+$")
var labelKey = regexp.MustCompile(`^([a-zA-Z0-9]([-a-zA-Z0-9.]{0,251}[a-zA-Z0-9])?/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?$`)
var labelValue = regexp.MustCompile(`^([a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?)?$`)

// maxEntries bounds the lists whose items are compared with one another.
const maxEntries = 1000

func checkSize(c cursor, n int) {
	if n > maxEntries {
		c.doc.oversize = true
		c.refuse("%d entries are more than %d: use several documents", n, maxEntries)
	}
}

// checkDuration holds Istio's rule for durations.
func checkDuration(c cursor, d *durationpb.Duration) {
	switch t := d.AsDuration(); {
	case d == nil:
	case t < time.Millisecond:
		c.refuse("%v is too short: a duration is at least 1ms; leave the field out for none", t)
	case t%time.Millisecond != 0:
		c.refuse("%v is not a whole number of milliseconds: round it", t)
	}
}

// checkNotNegative is for durations that Istio has no rule for.
func checkNotNegative(c cursor, d *durationpb.Duration) {
	if t := d.AsDuration(); t < 0 {
		c.refuse("%v is less than 0: leave the field out for the default", t)
	}
}

// checkPercent holds Istio's rule for percentages.
func checkPercent(c cursor, p *networking.Percent) {
	v := p.GetValue()
	if !(v >= 0 && v <= 100) || v > 0 && v < 0.0001 { // NaN is neither
		c.field("value").refuse("%v is no percentage: write 0, or 0.0001 to 100", v)
	}
}

func checkWhole[N int32 | uint32](c cursor, v N, most int64) {
	if int64(v) < 0 || int64(v) > most {
		c.refuse("%d is out of range: write 0 to %d", v, most)
	}
}

func checkPort(c cursor, port uint32) {
	if port < 1 || port > 65535 {
		c.refuse("%d is no port: write 1 to 65535", port)
	}
}

// checkHost holds the rule for the names of services: an address, or labels with a
// wildcard in front at most.
func checkHost(c cursor, host string) {
	if host == "" {
		c.refuse("the host is missing: write the name of a service")
		return
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "*" {
		return
	}
	name := strings.TrimSuffix(strings.TrimPrefix(host, "*."), ".")
	if len(name) > 253 || slices.ContainsFunc(strings.Split(name, "."), func(l string) bool { return !hostLabel.MatchString(l) }) {
		c.refuse(`%q is no name of a service: write "reviews", "reviews.shop.svc.cluster.local" or "*.example.com"`, clip(host))
	}
}

func checkDNSLabel(c cursor, name, what string) {
	if !dnsLabel.MatchString(name) {
		c.refuse("%q is no name of a %s: use at most 63 lower-case letters, digits and -", clip(name), what)
	}
}

func checkLabels(c cursor, labels map[string]string) {
	for key, value := range labels {
		if !labelKey.MatchString(key) {
			c.entry(key).refuse("%q is no key of a label: use letters, digits, -, _ and .", clip(key))
		} else if !labelValue.MatchString(value) {
			c.entry(key).refuse("%q is no value of a label: use at most 63 letters, digits, -, _ and .", clip(value))
		}
	}
}

// checkExportTo holds the rule for the namespaces that may see a document.
func checkExportTo(c cursor, names []string) {
	checkSize(c, len(names))
	for i, name := range names[:min(len(names), maxEntries)] {
		if name != "." && name != "*" && !dnsLabel.MatchString(name) {
			c.item(i).refuse(`%q is no namespace: write ".", "*" or a name`, clip(name))
		} else if slices.Contains(names[:i], name) {
			c.item(i).refuse("%q stands twice: remove one", name)
		}
	}
}

// checkMatch holds the rules for a match of text. Only a path may have the empty
// prefix.
func checkMatch(c cursor, m *networking.StringMatch, isPath bool) {
	switch t := m.GetMatchType().(type) {
	case *networking.StringMatch_Prefix:
		if t.Prefix == "" && !isPath {
			c.field("prefix").refuse("the prefix is empty: write {} to match any value")
		}
	case *networking.StringMatch_Regex:
		if t.Regex != "*" || isPath { // "*" alone is Istio's spelling of "present"
			checkRegex(c.field("regex"), t.Regex)
		}
	}
}

func checkRegex(c cursor, expr string) {
	if expr == "" {
		c.refuse("the regular expression is empty: write .* to match anything")
		return
	}
	if len(expr) > maxRegex {
		c.refuse("the regular expression has %d bytes, more than %d: shorten it or use several matches", len(expr), maxRegex)
		return
	}
	if _, err := regexp.Compile(expr); err != nil {
		c.refuse("%v: write it in RE2's syntax", err)
	}
}

// pseudoHeaders are those of a request in HTTP/2.
var pseudoHeaders = []string{":authority", ":method", ":path", ":scheme"}

// checkMatches holds the rules for matches by key: of headers, and of query
// parameters, whose names are free.
func checkMatches(c cursor, matches map[string]*networking.StringMatch, headers bool) {
	for key, m := range matches {
		at := c.entry(key)
		switch {
		case headers && strings.HasPrefix(key, ":") && !slices.Contains(pseudoHeaders, key):
			at.refuse("%q is no pseudo header of a request: write %s", clip(key), list(pseudoHeaders))
		case strings.HasPrefix(key, "@request.auth."):
			at.refuse("routing by the claims of a token works at gateways only: match a header instead")
		case headers && !headerName.MatchString(strings.TrimPrefix(key, ":")):
			at.refuse("%q is no name of a header", clip(key))
		}
		checkMatch(at, m, false)
	}
}

func isAuthority(name string) bool {
	return strings.EqualFold(name, ":authority") || strings.EqualFold(name, "host")
}

// checkHeaderName holds the rule for headers that are edited. The authority may be
// set, in requests.
func checkHeaderName(c cursor, name string, authority bool) {
	switch {
	case isAuthority(name) && authority:
	case strings.HasPrefix(name, ":") || strings.EqualFold(name, "host"):
		c.refuse("%q cannot be edited here: only a request's authority can be set", clip(name))
	case !headerName.MatchString(name):
		c.refuse("%q is no name of a header", clip(name))
	}
}

func checkOperations(c cursor, ops *networking.Headers_HeaderOperations, request bool) {
	for _, part := range []struct {
		name    string
		headers map[string]string
	}{{"set", ops.GetSet()}, {"add", ops.GetAdd()}} {
		for name, value := range part.headers {
			at := c.field(part.name).entry(name)
			checkHeaderName(at, name, request)
			if strings.ContainsAny(value, "\r\n\x00") {
				at.refuse("the value holds a line break or a zero byte: remove it")
			}
		}
	}
	for i, name := range ops.GetRemove() {
		checkHeaderName(c.field("remove").item(i), name, false)
	}
}

func checkHeaders(c cursor, h *networking.Headers) {
	checkOperations(c.field("request"), h.GetRequest(), true)
	checkOperations(c.field("response"), h.GetResponse(), false)
}

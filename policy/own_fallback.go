// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/fallback"
)

// Fallback is what calls to a service are answered with in place of a failure.
type Fallback struct {
	Own
	Config fallback.Config
}

type fallbackSpec struct {
	clientSpec
	On          string
	Destination *networking.Destination
	Cache       *cacheSpec
	Static      *staticSpec
	Idempotent  bool
}

type cacheSpec struct {
	MaxAge      time.Duration
	MaxEntries  int64
	MaxBytes    int64
	Credentials bool
	Headers     []string
}

type staticSpec struct {
	Status      int64
	ContentType string
	Body        string
	GRPCMessage []byte `key:"grpcMessage"`
}

func (s *fallbackSpec) check(c cursor) {
	checkEndings(c.field("on"), s.On)
	if on := endings(s.On); on.Blames() != (resilience.On{}) {
		c.field("on").refuse("%s is the caller's own fault, or none: remove it", on.Blames())
	}
	if s.Destination == nil && s.Cache == nil && s.Static == nil {
		c.refuse("nothing is said about what is answered: add destination, cache or static")
	}
	if again := c.field("idempotent"); again.isSet() && s.Destination == nil && s.Cache == nil && s.Static != nil {
		again.refuse("a fixed answer sends no call again: remove it, or add destination or cache")
	}
	if s.Destination != nil {
		checkDestination(c.field("destination"), s.Destination)
	}
	if s.Cache != nil {
		s.Cache.check(c.field("cache"))
	}
	if s.Static != nil {
		s.Static.check(c.field("static"))
	}
}

func (s *cacheSpec) check(c cursor) {
	checkRange(c.field("maxAge"), s.MaxAge, time.Millisecond, 7*24*time.Hour)
	checkRange(c.field("maxEntries"), s.MaxEntries, 1, 1_000_000)
	checkRange(c.field("maxBytes"), s.MaxBytes, 1, 1<<30)
	checkSize(c.field("headers"), len(s.Headers))
	for i, name := range s.Headers {
		if !headerName.MatchString(name) {
			c.field("headers").item(i).refuse("%q is no name of a header", clip(name))
		}
	}
}

func (s *staticSpec) check(c cursor) {
	if !c.field("status").isSet() && !c.field("grpcMessage").isSet() {
		c.refuse("nothing is said: add status for HTTP calls, grpcMessage for those of gRPC, or both")
	}
	checkRange(c.field("status"), s.Status, 200, 599)
	for name, set := range map[string]bool{"body": s.Body != "", "contentType": s.ContentType != ""} {
		if set && !c.field("status").isSet() {
			c.field(name).refuse("it is of an answer to HTTP calls, and there is no status: add status")
		}
	}
	if strings.ContainsFunc(s.ContentType, func(r rune) bool { return r < ' ' || r > '~' }) {
		c.field("contentType").refuse("%q is no value of a header", clip(s.ContentType))
	}
	for name, size := range map[string]int{"body": len(s.Body), "grpcMessage": len(s.GRPCMessage)} {
		if size > fallback.MaxBody {
			c.field(name).refuse("it has %d bytes, more than %d: shorten it", size, fallback.MaxBody)
		}
	}
}

func (s *fallbackSpec) compile(b *builder, c cursor, own Own) any {
	out := &Fallback{own, fallback.Config{On: endings(s.On), Idempotent: s.Idempotent, Shadow: own.Shadow}}
	cfg := &out.Config
	unsaid := !c.field("idempotent").isSet()
	if s.Destination != nil {
		cfg.Destination = b.destination(c.field("destination"), s.Destination)
		if unsaid {
			c.field("destination").note(Approximated, "gRPC calls are sent there"+marked)
		}
	}
	if s.Cache != nil {
		if unsaid {
			c.field("cache").note(Approximated, "of gRPC calls answers are kept"+marked)
		}
		cfg.Cache = fallback.Cache{
			On: true, MaxAge: s.Cache.MaxAge, MaxEntries: int(s.Cache.MaxEntries), MaxBytes: s.Cache.MaxBytes,
			Credentials: s.Cache.Credentials, Headers: strings.Join(s.Cache.Headers, ","),
		}
	}
	if s.Static != nil {
		cfg.Static = fallback.Static{
			Status: int(s.Static.Status), ContentType: s.Static.ContentType, Body: s.Static.Body,
			HasMessage: c.field("static").field("grpcMessage").isSet(), Message: string(s.Static.GRPCMessage),
		}
	}
	if b.key(c.doc, s.Host) == cfg.Destination.Service && cfg.Destination.Subset == "" && cfg.Destination.Port == 0 {
		c.field("destination").refuse("the service is its own fallback: name another, or a subset")
	}
	_, err := fallback.New(*cfg)
	built(c, err)
	return out
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"fmt"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience"
)

// The defaults and bounds of [Cache].
const (
	DefaultMaxAge     = 5 * time.Minute
	DefaultMaxEntries = 1000
	DefaultMaxBytes   = 8 << 20
	MaxBody           = 64 << 10
)

// DefaultOn is what is made up for when nothing else is said: whatever speaks against
// the far side, and what a policy of this process refused.
func DefaultOn() resilience.On { return resilience.MustOn("failure,refused") }

// Config says what is answered in place of a failure, and of which. What is set is tried
// in the order of the fields: a true answer from elsewhere goes before an old one, and
// that before a made-up one. It is comparable.
type Config struct {
	// On is what is made up for. The empty set is [DefaultOn]. What lists the caller's own
	// faults (400, not-found) is refused: those are answers.
	On resilience.On
	// Destination is asked in the far side's place, if it has a Service, with the same
	// request and once: for calls that may be sent a second time (see
	// enmesh.Call.Repeatable, and Idempotent), on a route that resends.
	Destination enmesh.Destination
	// Idempotent says that the calls which come here may be done twice, whatever their
	// method: all may go to the Destination, and the Cache keeps answers of all unary gRPC calls.
	Idempotent bool
	// Cache answers with the last good answer, if there is one.
	Cache Cache
	// Static answers with what is configured.
	Static Static
	// Shadow does nothing of that, and tells Recorder what it would have done.
	Shadow bool
	// Recorder counts what is done, and what would be. nil: nobody does.
	Recorder enmesh.Recorder
}

// Cache says which good answers are kept, and for how long. The zero Cache keeps none.
//
// Answers to GET and HEAD without a body are kept, and those to idempotent unary calls
// of gRPC (see Config.Idempotent), each by the whole request: what it went to, path, query or message, and
// whatever header the answer's Vary names. An answer with Set-Cookie or a Cache-Control
// of no-store or private is not kept, nor one larger than 64 KiB.
type Cache struct {
	// On turns the cache on.
	On bool
	// MaxAge is how old an answer may be. 0 is 5 min; negative and above a week is refused.
	MaxAge time.Duration
	// MaxEntries is how many are kept; the one unused for longest goes first. 0 is 1000;
	// negative and above a million is refused.
	MaxEntries int
	// MaxBytes is how much they may be together, in bytes, keys and headers included. 0
	// is 8 MiB; negative and above a GiB is refused.
	MaxBytes int64
	// Credentials also keeps answers to requests with Authorization or Cookie headers,
	// for requests with the very same ones. Without it such calls have nothing to do
	// with the cache, nor have calls of gRPC with a PerRPCCredentials option, ever.
	// Credentials that are added further down (by a transport of the program's own, or to
	// a whole gRPC connection) are not seen here: name no cache where they differ from call
	// to call.
	Credentials bool
	// Headers are the names of further request headers that answers depend on, with commas
	// between: what only the server knows that never says so by Vary, as no gRPC server
	// does ("X-Tenant").
	Headers string
}

// Static is an answer. The zero Static is none.
type Static struct {
	// Status is what HTTP calls are answered with: 200 to 599. 0: none is made up for them.
	Status int
	// ContentType is of the body. "" is text/plain, or none without a body.
	ContentType string
	// Body is at most 64 KiB.
	Body string
	// HasMessage says that unary gRPC calls are answered with Message.
	HasMessage bool
	// Message is a message in the encoding of protocol buffers, at most 64 KiB; "" is one
	// with nothing set.
	Message string
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.On == (resilience.On{}) {
		cfg.On = DefaultOn()
	}
	if own := cfg.On.Blames(); own != (resilience.On{}) {
		return cfg, fmt.Errorf("fallback: On lists %s: that is the caller's own fault, or none", own)
	}
	if d := cfg.Destination; d.Service == "" && d != (enmesh.Destination{}) {
		return cfg, fmt.Errorf("fallback: Destination %q has no Service", d)
	}
	var err error
	if cfg.Cache, err = cfg.Cache.withDefaults(); err != nil {
		return cfg, err
	}
	return cfg, cfg.Static.validate()
}

func (cfg Cache) withDefaults() (Cache, error) {
	if !cfg.On && cfg != (Cache{}) {
		return cfg, fmt.Errorf("fallback: Cache has settings and is not On")
	}
	if !cfg.On {
		return cfg, nil
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = DefaultMaxAge
	}
	if cfg.MaxEntries == 0 {
		cfg.MaxEntries = DefaultMaxEntries
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	switch {
	case cfg.MaxAge < 0 || cfg.MaxAge > 7*24*time.Hour:
		return cfg, fmt.Errorf("fallback: Cache.MaxAge %v is not within 0 to a week", cfg.MaxAge)
	case cfg.MaxEntries < 0 || cfg.MaxEntries > 1_000_000:
		return cfg, fmt.Errorf("fallback: Cache.MaxEntries %d is not within 0 to a million", cfg.MaxEntries)
	case cfg.MaxBytes < 0 || cfg.MaxBytes > 1<<30:
		return cfg, fmt.Errorf("fallback: Cache.MaxBytes %d is not within 0 to a GiB", cfg.MaxBytes)
	}
	return cfg, nil
}

func (s Static) validate() error {
	switch {
	case s.Status == 0 && (s.Body != "" || s.ContentType != ""):
		return fmt.Errorf("fallback: Static has a Body or a ContentType and no Status")
	case s.Status != 0 && (s.Status < 200 || s.Status > 599):
		return fmt.Errorf("fallback: Static.Status %d is not within 200 to 599", s.Status)
	case strings.ContainsFunc(s.ContentType, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("fallback: Static.ContentType %q is no value of a header", s.ContentType)
	case len(s.Body) > MaxBody || len(s.Message) > MaxBody:
		return fmt.Errorf("fallback: Static has %d bytes of Body and %d of Message, at most %d are allowed", len(s.Body), len(s.Message), MaxBody)
	case s.Message != "" && !s.HasMessage:
		return fmt.Errorf("fallback: Static.Message is set without HasMessage")
	}
	return nil
}

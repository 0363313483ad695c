// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strconv"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/limit"
)

// RateLimit is the limits of a service's calls, or of a server's. A call has to pass all
// whose Match takes it, in their order; what the earlier ones gave stays taken when a
// later one refuses.
type RateLimit struct {
	Own
	Limits []Limit
}

// Limit is one of them.
type Limit struct {
	Name  string         // of the rule; else "limit-" and its number
	Match []*route.Match // none: every call
	// Limit is a limit.Config, limit.LeakyConfig, limit.FixedConfig, limit.LogConfig or
	// limit.CounterConfig; where each key has its own, a limit.KeyedConfig; and where
	// others count, a [SharedLimit] or a [*ServiceLimit]. All are comparable.
	Limit any
}

type rateLimitSpec struct {
	eitherSpec
	Rules []*limitSpec
}

type limitSpec struct {
	Name             string
	Match            []*networking.HTTPMatchRequest
	TokenBucket      *tokenBucketSpec
	LeakyBucket      *leakyBucketSpec
	FixedWindow      *fixedWindowSpec
	SlidingWindow    *slidingWindowSpec
	SharedBucket     *sharedBucketSpec
	RateLimitService *rateLimitServiceSpec
	Key              []*limitKeySpec
	MaxKeys          int64
	Cost             int64
	Status           int64
	Headers          string `oneof:"ON_REFUSAL ALWAYS NEVER"`
	EnvoyHeaders     bool

	noQueue bool
}

type tokenBucketSpec struct {
	Rate  float64
	Burst int64
}

type leakyBucketSpec struct {
	Rate    float64
	Queue   int64
	MaxWait time.Duration
}

type fixedWindowSpec struct {
	Limit  int64
	Window time.Duration
}

type slidingWindowSpec struct {
	Limit  int64
	Window time.Duration
	Exact  bool
	Slices int64
}

type limitKeySpec struct {
	Header    string
	Method    bool
	Path      bool
	Principal bool
	Claim     string
	Source    *sourceKeySpec
}

type sourceKeySpec struct {
	IPv4Bits int64 `key:"ipv4Bits"`
	IPv6Bits int64 `key:"ipv6Bits"`
}

// The bounds of package limit, and of memory.
const (
	maxLimitRate    = 1e9
	maxLimitUnits   = 1_000_000_000
	maxLogUnits     = 1_000_000
	maxLimitWindow  = 30 * 24 * time.Hour
	maxSlices       = 1000
	maxLimitKeys    = 10_000_000
	maxLimitKeyPart = 4
	maxLimitRules   = 100
)

// algorithms are the fields of a rule of which it has one.
var algorithms = []string{"tokenBucket", "leakyBucket", "fixedWindow", "slidingWindow", "sharedBucket", "rateLimitService"}

func (s *rateLimitSpec) check(c cursor) {
	at := c.field("rules")
	switch {
	case len(s.Rules) == 0:
		at.refuse("there is no rule: add one with %s", list(algorithms))
	case len(s.Rules) > maxLimitRules:
		at.refuse("%d rules are more than %d, which every call would have to pass", len(s.Rules), maxLimitRules)
	}
	names := map[string]bool{}
	for i, r := range s.Rules {
		if r.Name != "" && names[r.Name] {
			at.item(i).field("name").refuse("%q stands twice: rename one", clip(r.Name))
		}
		names[r.Name] = true
		r.check(at.item(i), s.attached().server)
	}
}

func (s *limitSpec) check(c cursor, server bool) {
	checkCalls(c.field("match"), s.Match, server)
	if s.Name != "" && !headerName.MatchString(s.Name) {
		c.field("name").refuse("%q is no name: use letters, digits, - and _", clip(s.Name))
	}
	one(c, algorithms...)
	s.checkAlgorithm(c)
	s.checkShared(c)
	s.checkService(c, server)
	s.checkKey(c, server)
	s.checkHeaders(c, server)
	checkRange(c.field("maxKeys"), s.MaxKeys, 1, maxLimitKeys)
	if c.field("maxKeys").isSet() && len(s.Key) == 0 {
		c.field("maxKeys").refuse("there is no key: add key, or remove maxKeys")
	}
	checkRange(c.field("cost"), s.Cost, 1, maxLimitUnits)
	checkRange(c.field("status"), s.Status, 400, 599)
}

// checkHeaders holds that headers which are asked for are written somewhere. What a rate
// limit service says is in the answers that a client gets, too.
func (s *limitSpec) checkHeaders(c cursor, server bool) {
	if s.RateLimitService != nil {
		return // checkService
	}
	envoy := c.field("envoyHeaders")
	for _, at := range []cursor{c.field("headers"), envoy} {
		if !server && at.isSet() {
			at.refuse("a client's limit writes no headers: remove it, or use a selector, on servers")
		}
	}
	if server && s.EnvoyHeaders && s.Headers == "NEVER" {
		envoy.refuse("headers is NEVER, and these are written beside the others: remove one")
	}
}

func (s *limitSpec) checkAlgorithm(c cursor) {
	if at := c.field("tokenBucket"); s.TokenBucket != nil {
		needed(at.field("rate"), "the number of calls a second")
		checkAbove(at.field("rate"), s.TokenBucket.Rate, maxLimitRate)
		checkRange(at.field("burst"), s.TokenBucket.Burst, 1, maxLimitUnits)
	}
	if at := c.field("leakyBucket"); s.LeakyBucket != nil {
		needed(at.field("rate"), "the number of calls a second")
		checkAbove(at.field("rate"), s.LeakyBucket.Rate, maxLimitRate)
		checkRange(at.field("queue"), s.LeakyBucket.Queue, 0, maxLimitUnits)
		checkRange(at.field("maxWait"), s.LeakyBucket.MaxWait, time.Millisecond, time.Hour)
	}
	if at := c.field("fixedWindow"); s.FixedWindow != nil {
		checkWindow(at, s.FixedWindow.Limit, s.FixedWindow.Window, maxLimitUnits)
	}
	if at := c.field("slidingWindow"); s.SlidingWindow != nil {
		most := int64(maxLimitUnits)
		if s.SlidingWindow.Exact {
			most = maxLogUnits
			if at.field("slices").isSet() {
				at.field("slices").refuse("an exact window has no slices: remove slices, or exact")
			}
		}
		checkWindow(at, s.SlidingWindow.Limit, s.SlidingWindow.Window, most)
		checkRange(at.field("slices"), s.SlidingWindow.Slices, 1, maxSlices)
	}
}

func checkWindow(c cursor, most int64, window time.Duration, bound int64) {
	needed(c.field("limit"), "the number of calls in a window")
	checkRange(c.field("limit"), most, 1, bound)
	needed(c.field("window"), "the length of a window")
	checkRange(c.field("window"), window, time.Millisecond, maxLimitWindow)
}

func (s *limitSpec) checkKey(c cursor, server bool) {
	at := c.field("key")
	if len(s.Key) > maxLimitKeyPart {
		at.refuse("%d parts are more than %d", len(s.Key), maxLimitKeyPart)
	}
	if len(s.Key) > 0 {
		if s.LeakyBucket != nil {
			c.field("leakyBucket").refuse("a leaky bucket has no key: use tokenBucket, or remove key")
		}
		if s.SlidingWindow != nil && (s.SlidingWindow.Exact || s.SlidingWindow.Slices > 1) {
			c.field("slidingWindow").refuse("with a key a window is counted in one slice: remove exact and slices, or key")
		}
	}
	for i, k := range s.Key {
		k.check(at.item(i), server)
	}
}

func (k *limitKeySpec) check(c cursor, server bool) {
	one(c, keyParts...)
	k.checkParts(c, server)
}

// keyParts are the fields of a part of a key, of which it has one.
var keyParts = []string{"header", "method", "path", "principal", "claim", "source"}

func (k *limitKeySpec) checkParts(c cursor, server bool) {
	if h := c.field("header"); h.isSet() && !headerName.MatchString(k.Header) {
		h.refuse("%q is no name of a header", clip(k.Header))
	}
	for name, on := range map[string]bool{"method": k.Method, "path": k.Path, "principal": k.Principal} {
		if c.field(name).isSet() && !on {
			c.field(name).refuse("false says nothing: write true, or remove it")
		}
	}
	if claim := c.field("claim"); claim.isSet() && k.Claim == "" {
		claim.refuse("an empty name is of no claim: write one, such as sub")
	}
	for _, name := range []string{"principal", "claim", "source"} {
		if !server && c.field(name).isSet() {
			c.field(name).refuse("calls that this process makes have no %s: use it with a selector, on servers", name)
		}
	}
	if k.Source != nil {
		at := c.field("source")
		checkRange(at.field("ipv4Bits"), k.Source.IPv4Bits, 1, 32)
		checkRange(at.field("ipv6Bits"), k.Source.IPv6Bits, 1, 128)
	}
}

func (s *rateLimitSpec) compile(b *builder, c cursor, own Own) any {
	out := &RateLimit{Own: own}
	server := s.attached().server
	for i, r := range s.Rules {
		at := c.field("rules").item(i)
		match, never := b.calls(at.field("match"), r.Match, server)
		if never {
			continue
		}
		r.noQueue = at.field("leakyBucket").field("queue").isSet() && r.LeakyBucket.Queue == 0
		l := Limit{Name: r.Name, Match: match}
		if l.Name == "" {
			l.Name = "limit-" + strconv.Itoa(i)
		}
		l.Limit = r.limit(own)
		built(at, limitError(l.Limit))
		if r.SlidingWindow != nil && len(r.Key) > 0 {
			at.field("slidingWindow").note(Approximated, twoWindows)
		}
		out.Limits = append(out.Limits, l)
	}
	return out
}

// twoWindows is what a sliding window for each key does.
const twoWindows = "for each key counted from two windows, the last by the share of it that is still within: a burst at the end of one may pass twice"

// limit is the configuration of the algorithm.
func (s *limitSpec) limit(own Own) any {
	switch {
	case s.SharedBucket != nil:
		return s.shared(own)
	case s.RateLimitService != nil:
		return s.service()
	}
	each, plain := s.each()
	if len(s.Key) == 0 || each == nil {
		return plain
	}
	return limit.KeyedConfig{By: s.by(), Each: each, MaxKeys: int(s.MaxKeys)}
}

// by is what calls are told apart by: nil for nothing.
func (s *limitSpec) by() limit.Key {
	var keys []limit.Key
	for _, k := range s.Key {
		keys = append(keys, k.key())
	}
	switch len(keys) {
	case 0:
		return nil
	case 1:
		return keys[0]
	}
	return limit.ByAll(keys...)
}

// each is the algorithm, for keys too where it can be had for them.
func (s *limitSpec) each() (limit.Each, any) {
	terms := s.terms()
	switch {
	case s.TokenBucket != nil:
		cfg := limit.Config{Rate: s.TokenBucket.Rate, Burst: int(s.TokenBucket.Burst), Terms: terms}
		return cfg, cfg
	case s.LeakyBucket != nil:
		cfg := limit.LeakyConfig{Rate: s.LeakyBucket.Rate, Queue: int(s.LeakyBucket.Queue), MaxWait: s.LeakyBucket.MaxWait, Terms: terms}
		if s.noQueue {
			cfg.Queue = -1 // none, where 0 would be the default
		}
		return nil, cfg
	case s.FixedWindow != nil:
		cfg := limit.FixedConfig{Limit: int(s.FixedWindow.Limit), Window: s.FixedWindow.Window, Terms: terms}
		return cfg, cfg
	case s.SlidingWindow.Exact:
		return nil, limit.LogConfig{Limit: int(s.SlidingWindow.Limit), Window: s.SlidingWindow.Window, Terms: terms}
	default:
		cfg := limit.CounterConfig{Limit: int(s.SlidingWindow.Limit), Window: s.SlidingWindow.Window, Slices: int(s.SlidingWindow.Slices), Terms: terms}
		return cfg, cfg
	}
}

func (s *limitSpec) terms() limit.Terms {
	return limit.Terms{
		Name: s.Name, Cost: int(s.Cost), Status: int(s.Status), Headers: limitHeaders[s.Headers], Envoy: s.EnvoyHeaders,
	}
}

var limitHeaders = map[string]limit.Headers{"ALWAYS": limit.Always, "NEVER": limit.Never}

func (k *limitKeySpec) key() limit.Key {
	switch {
	case k.Header != "":
		return limit.ByHeader(k.Header)
	case k.Method:
		return limit.ByMethod()
	case k.Path:
		return limit.ByPath()
	case k.Principal:
		return limit.ByPrincipal()
	case k.Claim != "":
		return limit.ByClaim(k.Claim)
	}
	return limit.BySource(int(k.Source.IPv4Bits), int(k.Source.IPv6Bits))
}

// limitError is what package limit has against the configuration of a limit.
func limitError(cfg any) (err error) {
	switch cfg := cfg.(type) {
	case limit.Config:
		_, err = limit.NewTokenBucket(cfg)
	case limit.LeakyConfig:
		_, err = limit.NewLeakyBucket(cfg)
	case limit.FixedConfig:
		_, err = limit.NewFixedWindow(cfg)
	case limit.LogConfig:
		_, err = limit.NewSlidingLog(cfg)
	case limit.CounterConfig:
		_, err = limit.NewSlidingCounter(cfg)
	case limit.KeyedConfig:
		_, err = limit.NewKeyed(cfg)
	case SharedLimit, *ServiceLimit: // whoever counts is asked when it is put in force
	default:
		err = fmt.Errorf("policy: no limit is made of %T", cfg)
	}
	return err
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/enmesh-go/enmesh"
)

// Authenticator finds out on whose behalf calls are made. It is safe for concurrent use.
type Authenticator struct {
	cfg    Config
	rules  []*rule
	places places
	own    []string // headers that only this Authenticator writes
	cache  *cache
	keys   *Keys
	owned  bool // keys are closed with the Authenticator
}

// New makes an Authenticator, and begins to fetch the keys that it needs: until they are
// there, calls with a token wait for them, and calls without go through. Close ends it.
func New(cfg Config) (*Authenticator, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &Authenticator{cfg: cfg, cache: newCache(cfg.CacheSize)}
	for i, from := range cfg.Rules {
		if err := a.add(from); err != nil {
			return nil, fmt.Errorf("jwt: %s: %w", label(i, from), err)
		}
	}
	if err := a.separate(); err != nil {
		return nil, err
	}
	if err := a.open(); err != nil {
		return nil, err
	}
	return a, nil
}

// label names a rule for messages.
func label(i int, r Rule) string {
	text := fmt.Sprintf("Rules[%d]", i)
	if r.Name != "" {
		text += " (" + r.Name + ")"
	}
	if r.Origin != "" {
		text = r.Origin + ": " + text
	}
	return text
}

func (a *Authenticator) add(from Rule) error {
	r, err := newRule(from)
	if err != nil {
		return err
	}
	if err := a.places.read(from, r); err != nil {
		return err
	}
	a.rules = append(a.rules, r)
	if r.payload != "" {
		a.own = append(a.own, r.payload)
	}
	for _, o := range r.outputs {
		a.own = append(a.own, o.Header)
	}
	return nil
}

// separate refuses a header that tokens are read from and claims are written to.
func (a *Authenticator) separate() error {
	slices.Sort(a.own)
	a.own = slices.Compact(a.own)
	for _, p := range a.places {
		if p.where == inHeader && slices.Contains(a.own, p.name) {
			return fmt.Errorf("jwt: header %s is both read and written", p.name)
		}
	}
	return nil
}

// open begins to fetch.
func (a *Authenticator) open() error {
	a.keys = a.cfg.Keys
	if a.keys == nil {
		keys, err := NewKeys(KeysConfig{Client: a.cfg.Client, Refresh: a.cfg.Refresh, Log: a.cfg.Log})
		if err != nil {
			return err
		}
		a.keys, a.owned = keys, true
	}
	for i, r := range a.rules {
		if r.store == nil {
			from := a.cfg.Rules[i]
			r.store = a.keys.acquire(from.JWKSURI, cmp.Or(from.Timeout, DefaultTimeout))
		}
	}
	return nil
}

// Close ends the fetches that only this Authenticator needs, and waits for them. Calls that
// come later are answered by the keys there are.
func (a *Authenticator) Close() error {
	for _, r := range a.rules {
		if r.store.keys != nil && !r.released.Swap(true) {
			a.keys.release(r.store)
		}
	}
	if a.owned {
		return a.keys.Close()
	}
	return nil
}

// Status is one line for each URI that keys are fetched from.
func (a *Authenticator) Status() []KeyStatus { return a.keys.Status() }

// Middleware is the Authenticator for a server's chain: behind the telemetry, before
// authorization.
func (a *Authenticator) Middleware() enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			a.scrub(c.Header)
			v, e := a.authenticate(ctx, c)
			switch {
			case e != nil:
				return a.refuse(c, e)
			case v == nil:
				return next(ctx, c)
			}
			c.SetAuth(v.auth)
			for _, h := range v.out {
				c.Header.Set(h.name, h.value)
			}
			if a.cfg.StreamCheck < 0 || !c.Streams() {
				return next(ctx, c)
			}
			return newWatch(ctx, c, a, v).run(next)
		}
	}
}

// scrub takes out what only the Authenticator may say: callers may have written it.
func (a *Authenticator) scrub(h enmesh.Header) {
	for _, name := range a.own {
		if len(h.Values(name)) > 0 { // to delete may cost a copy
			h.Del(name)
		}
	}
}

// refuse tells the caller what would be accepted (RFC 6750, section 3).
func (a *Authenticator) refuse(c *enmesh.Call, e *enmesh.Error) error {
	if c.Answer.Header != nil {
		c.Answer.Header.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	if e == errNoKeys && a.cfg.Recorder != nil {
		a.cfg.Recorder.Record(c, enmesh.Decision{Policy: "jwt", Action: enmesh.ActionDegrade})
	}
	return e
}

// authenticate verifies every token that the call has: nil and nil for none. The first place
// in the order of the rules decides who the caller is.
func (a *Authenticator) authenticate(ctx context.Context, c *enmesh.Call) (*verified, *enmesh.Error) {
	var first *verified
	for _, p := range a.places {
		value, found, e := p.find(c)
		if e != nil {
			return nil, e
		}
		if !found {
			continue
		}
		v, e := a.verifyAt(ctx, c, p, value)
		if e != nil {
			return nil, e
		}
		if !v.rule.forward {
			p.strip(c)
		}
		if first == nil {
			first = v
		}
	}
	return first, nil
}

// verifyAt verifies the token in a value by the rules that read it there.
func (a *Authenticator) verifyAt(ctx context.Context, c *enmesh.Call, p *place, value string) (*verified, *enmesh.Error) {
	e := errPlace
	for _, w := range p.ways {
		raw, ok := w.cut(value)
		if !ok {
			continue
		}
		var v *verified
		if v, e = a.verify(ctx, c, w.rules, raw); e == nil {
			return v, nil
		}
	}
	return nil, e
}

// verify verifies a token by one of the rules, or finds that it was.
func (a *Authenticator) verify(ctx context.Context, c *enmesh.Call, rules []*rule, raw string) (*verified, *enmesh.Error) {
	if _, _, e := dots(raw); e != nil {
		return nil, e
	}
	now, name := a.cfg.Now(), sumOf(raw)
	if v := a.cache.get(&name); v != nil && slices.Contains(rules, v.rule) && v.holds(now, c.Clock, a.cfg.Leeway) {
		return v, nil
	}
	t, e := readToken(raw)
	if e != nil {
		return nil, e
	}
	e = errIssuer
	for _, r := range rules {
		if t.claims["iss"] != r.issuer {
			continue
		}
		var v *verified
		if v, e = a.try(ctx, r, t, now); e == nil {
			a.cache.put(&name, v)
			return v, nil
		}
	}
	return nil, e
}

// try verifies a token by one rule.
func (a *Authenticator) try(ctx context.Context, r *rule, t *token, now time.Time) (*verified, *enmesh.Error) {
	auth, life, e := r.check(t, now, a.cfg.Leeway)
	if e != nil {
		return nil, e
	}
	by, e := r.store.verify(ctx, t)
	if e != nil {
		return nil, e
	}
	out := r.headers(t)
	split(t.claims, r.split)
	return &verified{rule: r, ring: by, auth: auth, life: life, out: out}, nil
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// session is one stream's state: what was asked, what is known of it, and what the
// client has and thinks of it. It does no input and no output: request takes what
// the client says, tell what the catalog says, and next gives what to send.
type session struct {
	cfg   *Config
	node  *Node
	id    string // prefix of the nonces: no other stream has it
	since time.Time
	past  *past
	wake  chan struct{} // one token: next has news

	mu     sync.Mutex // guards all below; the catalog is never called under it
	subs   [kinds]*subscription
	seq    uint64
	closed bool
	odd    bool // a type that nobody knows was asked for, and logged
}

func newSession(cfg *Config, n *Node, id string, p *past) *session {
	return &session{cfg: cfg, node: n, id: id, since: time.Now(), past: p, wake: make(chan struct{}, 1)}
}

// request takes one request. An error ends the stream. It is called by one
// goroutine.
func (s *session) request(req *request) error {
	k, ok := KindOf(req.GetTypeUrl())
	if !ok {
		s.unknown(req.GetTypeUrl())
		return nil
	}
	names := req.GetResourceNames()
	if err := s.bounds(k, max(len(names), req.over), names); err != nil {
		return err
	}
	s.mu.Lock()
	u := s.subs[k]
	if u == nil {
		wait := s.cfg.Settle
		if req.GetVersionInfo() != "" {
			wait = s.cfg.Resume
		}
		u = newSubscription(s, k, time.Now(), wait)
		s.subs[k] = u
	}
	u.busy = true
	s.answer(u, req.GetResponseNonce(), req.GetErrorDetail())
	var added, removed []*entry
	if !req.same {
		added, removed = s.subscribe(u, names)
	}
	s.mu.Unlock()
	s.follows(u, added, removed)
	return nil
}

// follows begins and ends the watches of a request, and has it answered.
func (s *session) follows(u *subscription, added, removed []*entry) {
	s.unwatch(removed)
	for _, e := range added {
		s.watch(e)
	}
	s.mu.Lock()
	u.busy = false
	if u.force && u.due.IsZero() {
		u.schedule(true, time.Now(), 0, 0)
	}
	due := !u.due.IsZero() || u.doubts
	s.mu.Unlock()
	if due {
		s.signal()
	}
}

// bounds refuses lists of names that are too long.
func (s *session) bounds(k Kind, count int, names []string) error {
	lim := s.cfg.Limits
	if count > lim.Names {
		return status.Errorf(codes.ResourceExhausted, "xds: %d names of kind %s, at most %d are allowed", count, k, lim.Names)
	}
	for _, n := range names {
		if len(n) > lim.NameBytes {
			return status.Errorf(codes.InvalidArgument, "xds: a name of kind %s has %d bytes, at most %d are allowed", k, len(n), lim.NameBytes)
		}
	}
	return nil
}

// unknown logs, once for a stream, that a type is not served.
func (s *session) unknown(url string) {
	s.mu.Lock()
	seen := s.odd
	s.odd = true
	s.mu.Unlock()
	if !seen {
		s.cfg.Log.Info("xds: a client asks for a type that is not served", "node", s.node.ID, "type", brief(url))
	}
}

// answer takes the part of a request that is about what was sent. Only the latest
// nonce counts. s.mu is held.
func (s *session) answer(u *subscription, nonce string, why *statuspb.Status) {
	out := u.out
	if out == nil || nonce != out.nonce {
		return
	}
	u.out = nil
	now := time.Now()
	if why == nil {
		s.cfg.counts.of[u.kind].accepted.Add(1)
		u.accept(out, now)
	} else {
		s.cfg.counts.of[u.kind].rejected.Add(1)
		text := brief(why.GetMessage())
		for _, e := range u.reject(out, text, now) {
			s.past.keep(e)
			s.cfg.Log.Warn("xds: a client rejected a resource", "node", s.node.ID, "client", s.node.Client,
				"kind", u.kind.String(), "name", e.name.Value(), "error", text)
			s.touch(e, true)
		}
	}
	switch {
	case u.isolate && len(u.dirty) > 0:
		u.schedule(true, now, 0, 0)
	case u.due.IsZero():
		u.isolate = false
	}
}

// signal wakes the sender.
func (s *session) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// slowError ends the stream of a client that does not answer.
type slowError struct {
	kind Kind
	wait time.Duration
}

func (e slowError) Error() string {
	return fmt.Sprintf("xds: the client left a response of kind %s unanswered for %v", e.kind, e.wait)
}

// next is what to send now, or when to look again (zero: when woken).
func (s *session) next(now time.Time) (r *response, at time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range pushOrder {
		u := s.subs[k]
		if u == nil || u.busy {
			continue
		}
		if until := s.doubted(u, now); !until.IsZero() {
			at = earlier(at, until)
		}
		if u.due.IsZero() {
			continue
		}
		due, waits := s.dueAt(u)
		switch {
		case due.After(now):
			at = earlier(at, due)
			continue
		case waits:
			return nil, at, slowError{k, s.cfg.Slow}
		}
		u.settled = true
		s.seq++
		if r := u.build(s.id+"-"+strconv.FormatUint(s.seq, 10), now, s.cfg.Limits.ResponseBytes); r != nil {
			s.cfg.counts.of[k].pushes.Add(1)
			return r, at, nil
		}
	}
	return nil, at, nil
}

// dueAt is when something is to be done for u: a response, or, where the client
// has not yet answered the last one, the end of patience with it. s.mu is held.
func (s *session) dueAt(u *subscription) (at time.Time, waits bool) {
	switch {
	case u.out != nil:
		return later(u.out.at, u.first).Add(s.cfg.Slow), true
	case u.whole() && !u.settled && u.waiting > 0:
		return u.settleBy, false
	}
	return u.paced(s.cfg.MaxDelay), false
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// close ends all watches. It is called by the goroutine that calls request, or
// after that has ended.
func (s *session) close() {
	s.mu.Lock()
	s.closed = true
	var watching []*entry
	for _, u := range s.subs {
		if u == nil {
			continue
		}
		if u.all != nil {
			watching = append(watching, u.all)
		}
		for _, e := range u.entries {
			s.past.keep(e)
			if e.is&watched != 0 {
				watching = append(watching, e)
			}
		}
	}
	s.mu.Unlock()
	s.unwatch(watching)
}

// brief bounds a text that a client sent.
func brief(text string) string {
	if len(text) <= maxText {
		return text
	}
	return text[:maxText] + "..."
}

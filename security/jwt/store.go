// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

const (
	minFetch   = 10 * time.Second // between the starts of two fetches from one URI
	maxWaiting = 100              // calls that wait for one fetch; more are refused at once
	maxFirst   = 10_000           // the same, while there are no keys yet: all of them may be good
)

// store is the keys of one URI, and the loop that fetches them. The keys that were fetched
// last are kept whatever the fetches after say, for a day.
type store struct {
	uri     string
	timeout time.Duration
	keys    *Keys           // nil: nothing is fetched
	ctx     context.Context //nolint:containedctx // ends the loop
	cancel  context.CancelFunc
	ended   chan struct{}
	users   int // guarded by keys.mu
	current atomic.Pointer[keySet]
	wake    chan struct{} // of one: a call wants a fetch

	mu      sync.Mutex     // guards what follows
	flight  chan struct{}  // closed when the fetch that is wanted or under way has ended; nil: none is
	waiting int            // calls that wait for it
	began   enmesh.Instant // the latest fetch; 0: none has begun
	fetches uint64
	fetched time.Time
	err     error
}

func newStore(k *Keys, uri string, timeout time.Duration) *store {
	s := &store{
		uri: uri, timeout: timeout, keys: k,
		ended: make(chan struct{}), wake: make(chan struct{}, 1),
		flight: make(chan struct{}), // the first fetch is wanted from the start
	}
	s.ctx, s.cancel = context.WithCancel(k.ctx)
	return s
}

// get is the keys that count now, or nil.
func (s *store) get(now enmesh.Instant) *keySet {
	set := s.current.Load()
	if set == nil || set.stale(now) {
		return nil
	}
	return set
}

// verify finds the key that has signed a token, and asks for newer keys when there is none.
func (s *store) verify(ctx context.Context, t *token) (*ring, *enmesh.Error) {
	for asked := false; ; asked = true {
		seen := s.current.Load()
		set, v := seen, unknownKey
		if set == nil || set.stale(enmesh.Now()) {
			set = nil
		} else {
			v = set.verdict(t)
		}
		switch {
		case v == signed:
			return set.ring, nil
		case v == wrong:
			return nil, errSignature
		case !asked && s.ask(ctx, seen):
		case set == nil:
			return nil, errNoKeys
		case v == unsure:
			return nil, errSignature
		default:
			return nil, errKey
		}
	}
}

// ask wants a later fetch than the one of seen, and waits for it. It reports false when there is
// none: the last has begun within ten seconds, it failed, or too many calls wait for one already.
func (s *store) ask(ctx context.Context, seen *keySet) bool {
	if s.keys == nil {
		return false
	}
	if s.current.Load() != seen {
		return true // it came meanwhile
	}
	if flight := s.join(); flight != nil {
		defer s.leave()
		select {
		case <-flight:
		case <-ctx.Done():
		case <-s.ctx.Done():
		}
	}
	return s.current.Load() != seen // it may have come after all, also between the look and the joining
}

// join is the fetch to wait for, which is begun if none is under way; nil if there is to be none.
func (s *store) join() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := maxWaiting
	if s.current.Load() == nil {
		most = maxFirst
	}
	if s.waiting >= most {
		return nil
	}
	if s.flight == nil {
		if enmesh.Now().Sub(s.began) < minFetch {
			return nil
		}
		s.flight = make(chan struct{})
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	s.waiting++
	return s.flight
}

func (s *store) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
}

// loop fetches the keys now, again after the time to refresh them, after ten seconds when
// that failed, and when a call asks.
func (s *store) loop() {
	defer close(s.ended)
	for s.ctx.Err() == nil {
		pause := time.NewTimer(s.fetch())
		s.idle(pause)
		pause.Stop()
	}
}

// idle returns when the pause is over, or a call wants a fetch.
func (s *store) idle(pause *time.Timer) {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-pause.C:
			return
		case <-s.wake:
		}
		s.mu.Lock()
		wanted := s.flight != nil // else the pause has ended first, and the fetch is done
		s.mu.Unlock()
		if wanted {
			return
		}
	}
}

// fetch makes one fetch and returns how long to wait for the next.
func (s *store) fetch() time.Duration {
	s.mu.Lock()
	if s.flight == nil {
		s.flight = make(chan struct{})
	}
	s.began = enmesh.Now()
	s.fetches++
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	keys, skipped, err := safely(ctx, s.keys.cfg.Client, s.uri)
	cancel()
	if err == nil {
		s.publish(keys, skipped)
	}
	s.report(err)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	if err == nil {
		s.fetched = time.Now()
	}
	close(s.flight)
	s.flight = nil
	if err != nil {
		return minFetch + jitter(minFetch/5)
	}
	return max(minFetch, s.keys.cfg.Refresh-jitter(s.keys.cfg.Refresh/10))
}

// report logs what is new: that fetches fail, or fail in another way, or succeed again.
func (s *store) report(err error) {
	s.mu.Lock()
	before := s.err
	s.mu.Unlock()
	log, uri := s.keys.cfg.Log, plainURI(s.uri)
	switch {
	case s.ctx.Err() != nil:
	case err == nil && before != nil:
		log.Info("jwt: fetching keys succeeds again", "uri", uri)
	case err != nil && (before == nil || before.Error() != err.Error()):
		log.Warn("jwt: fetching keys failed", "uri", uri, "error", err.Error())
	}
}

func jitter(most time.Duration) time.Duration { return rand.N(most) }

// publish puts keys in force. Those that are the same keep their ring; their age begins anew.
func (s *store) publish(keys []key, skipped int) {
	before := s.current.Load()
	same := before != nil && reflect.DeepEqual(before.keys, keys)
	held := &ring{keys}
	if same {
		held = before.ring
	}
	s.current.Store(&keySet{held, enmesh.Now()})
	if !same {
		s.keys.cfg.Log.Info("jwt: the issuer's keys have changed", "uri", plainURI(s.uri), "keys", len(keys), "skipped", skipped)
	}
}

func (s *store) status() KeyStatus {
	st := KeyStatus{URI: plainURI(s.uri)}
	if set := s.get(enmesh.Now()); set != nil {
		st.Keys = len(set.keys)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Fetched, st.Err, st.Fetches = s.fetched, s.err, s.fetches
	return st
}

// safely is download, where a panic is an error: keys are what somebody else has written.
func safely(ctx context.Context, client *http.Client, uri string) (keys []key, skipped int, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("jwt: panic while fetching keys: %v", v)
		}
	}()
	return download(ctx, client, uri)
}

// download gets a key set. Its errors do not name the whole URI.
func download(ctx context.Context, client *http.Client, uri string) (keys []key, skipped int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, http.NoBody)
	if err != nil {
		return nil, 0, errors.New("jwt: not a URL")
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	resp, err := client.Do(req) //nolint:gosec // the operator names the URI, and nobody leads elsewhere
	if err != nil {
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return nil, 0, fmt.Errorf("jwt: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("jwt: status %d instead of keys", resp.StatusCode)
	}
	if resp.ContentLength > maxKeySet {
		return nil, 0, fmt.Errorf("jwt: a key set of %d bytes, more than %d", resp.ContentLength, maxKeySet)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	if err != nil {
		return nil, 0, fmt.Errorf("jwt: %w", err)
	}
	if keys, skipped, err = parseKeySet(data); err != nil {
		return nil, 0, fmt.Errorf("jwt: %w", err)
	}
	return keys, skipped, nil
}

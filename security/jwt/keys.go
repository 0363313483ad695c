// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultRefresh is how often keys are fetched, as Istio does.
const DefaultRefresh = 5 * time.Minute

// KeysConfig is how keys are fetched.
type KeysConfig struct {
	// Client fetches. Its redirects and its cookies are not used. nil is one of the Keys' own, which
	// goes by the environment's proxy.
	Client *http.Client
	// Refresh is how often, a little less by chance. A key that an issuer withdraws counts
	// no more after that. 0 is 5 min; refused unless within 10 s to 12 h.
	Refresh time.Duration
	// Log is told of fetches that failed and of keys that changed. nil is slog.Default().
	Log *slog.Logger
}

func (cfg KeysConfig) withDefaults() (KeysConfig, error) {
	if cfg.Refresh == 0 {
		cfg.Refresh = DefaultRefresh
	}
	if cfg.Refresh < minFetch || cfg.Refresh > 12*time.Hour {
		return cfg, fmt.Errorf("jwt: Refresh %v is not within 10s to 12h", cfg.Refresh)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	client := http.Client{Transport: newTransport()}
	if cfg.Client != nil {
		client = *cfg.Client
		client.Jar = nil
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cfg.Client = &client
	return cfg, nil
}

// newTransport is a transport that keeps no connection: there is one fetch in minutes.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DisableKeepAlives:      true,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// Keys fetches and keeps the keys of issuers, each set once however many rules and
// Authenticators use it, and as long as one does. It is safe for concurrent use.
type Keys struct {
	cfg    KeysConfig
	ctx    context.Context //nolint:containedctx // ends what Close waits for
	cancel context.CancelFunc
	loops  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	stores map[string]*store
	closed bool
}

// NewKeys makes Keys that fetch nothing until an Authenticator uses them.
func NewKeys(cfg KeysConfig) (*Keys, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	k := &Keys{cfg: cfg, stores: map[string]*store{}}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	return k, nil
}

// Close ends all fetches and waits for them. What was fetched goes on to count, until it is
// a day old.
func (k *Keys) Close() error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.cancel()
	k.loops.Wait()
	return nil
}

// Status is one line for each URI, in order.
func (k *Keys) Status() []KeyStatus {
	k.mu.Lock()
	stores := make([]*store, 0, len(k.stores))
	for _, s := range k.stores {
		stores = append(stores, s)
	}
	k.mu.Unlock()
	all := make([]KeyStatus, len(stores))
	for i, s := range stores {
		all[i] = s.status()
	}
	slices.SortFunc(all, func(a, b KeyStatus) int { return strings.Compare(a.URI, b.URI) })
	return all
}

// acquire is the store of a URI. Its keys are fetched from now on.
func (k *Keys) acquire(uri string, timeout time.Duration) *store {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.stores[uri]
	if s == nil {
		s = newStore(k, uri, timeout)
		k.stores[uri] = s
		if k.closed {
			close(s.ended)
		} else {
			k.loops.Go(s.loop)
		}
	}
	s.users++
	return s
}

// release ends the fetches of a store that nobody uses any more, and waits for them.
func (k *Keys) release(s *store) {
	k.mu.Lock()
	s.users--
	last := s.users == 0
	if last {
		delete(k.stores, s.uri)
	}
	k.mu.Unlock()
	if last {
		s.cancel()
		<-s.ended
	}
}

// checkURI refuses what keys are not to be fetched from.
func checkURI(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("JWKSURI is not a URL with a host")
	case u.User != nil:
		return errors.New("JWKSURI has a user or a password in it")
	case u.Fragment != "":
		return errors.New("JWKSURI has a fragment")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("JWKSURI is not https, nor http to a loopback address")
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// KeyStatus says how the keys of one URI are.
type KeyStatus struct {
	URI     string    // without its query
	Keys    int       // how many count; 0 also when there are none yet, or they are a day old
	Fetched time.Time // when they were fetched last; zero: never
	Err     error     // of the latest fetch; nil: it succeeded, or is yet to end
	Fetches uint64    // how many there were
}

// plainURI is a URI for messages: its query may hold a secret.
func plainURI(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// fixed is a store of keys that are given with the configuration.
func fixed(keys []key) *store {
	s := &store{}
	s.current.Store(&keySet{ring: &ring{keys}})
	return s
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh/discovery"
)

// Registry is a [discovery.Resolver] and a [discovery.Registrar] over Consul. It is
// safe for concurrent use.
type Registry struct {
	cfg       Config
	client    *api.Client
	http      *http.Transport
	tokens    *tokens
	prober    *prober
	anonymous anonymity
	slots     chan struct{} // one for each query that blocks
	starts    starts
	process   string // tells this process's registrations from those of its past lives

	mu      sync.Mutex // guards watches, and who reads them; nothing is called under it
	watches map[string]*watch
	closed  bool
}

var (
	_ discovery.Resolver  = (*Registry)(nil)
	_ discovery.Registrar = (*Registry)(nil)
)

// New makes a Registry. It starts nothing, and works while Consul cannot be reached:
// what is asked for then comes when it can. The one thing it asks, where no token is
// configured, is whether Consul would then answer nothing at all; for that it waits
// no longer than 150 ms. It is an error that wraps [ErrNoToken] when that is so.
func New(cfg Config) (*Registry, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	r := &Registry{
		cfg:     cfg,
		slots:   make(chan struct{}, cfg.MaxWatches),
		watches: make(map[string]*watch),
	}
	var err error
	if r.process, err = nonce(); err != nil {
		return nil, err
	}
	if err := r.connect(); err != nil {
		return nil, err
	}
	r.prober = newProber(r.leader)
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	if err := r.checkToken(ctx); errors.Is(err, ErrNoToken) {
		r.http.CloseIdleConnections()
		return nil, err
	}
	return r, nil
}

// connect makes the client over a transport of our own.
func (r *Registry) connect() error {
	env := api.DefaultConfig()
	cfg := &r.cfg
	conf := &api.Config{
		Address: cfg.Address, Scheme: env.Scheme, HttpAuth: env.HttpAuth,
		Namespace: cfg.Namespace, Partition: cfg.Partition,
	}
	set(&cfg.Address, env.Address)
	conf.Address = cfg.Address
	if cfg.TLS != nil {
		conf.Scheme = "https"
	} else {
		tls, err := api.SetupTLSConfig(&env.TLSConfig)
		if err != nil {
			return fmt.Errorf("consul: the TLS settings of the environment: %w", err)
		}
		cfg.TLS = tls
	}
	if strings.HasPrefix(cfg.Address, "unix://") {
		conf.Address = "localhost"
	}
	if _, err := os.ReadFile(cfg.TokenFile); cfg.TokenFile != "" && err != nil {
		return fmt.Errorf("consul: the token file: %w", err)
	}
	r.tokens = tokensOf(cfg, env)
	r.http = newTransport(cfg, dialerOf(cfg))
	conf.HttpClient = &http.Client{Transport: &transport{base: r.http, tokens: r.tokens, maxBody: cfg.MaxBody}}
	client, err := api.NewClient(conf)
	if err != nil {
		return fmt.Errorf("consul: %w", err)
	}
	r.client = client
	return nil
}

// nonce is 8 hexadecimal digits.
func nonce() (string, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("consul: no randomness: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// leader fails unless the agent can be reached and knows a leader.
func (r *Registry) leader(ctx context.Context) error {
	leader, err := r.client.Status().LeaderWithQueryOptions((&api.QueryOptions{}).WithContext(ctx))
	if err == nil && leader == "" {
		return errors.New("consul: no leader")
	}
	return err
}

// Watch implements [discovery.Resolver]. All watches of a service share one query.
//
// Consul does not tell a service it has never heard of from one without instances:
// where the first answer is empty, an error that wraps [discovery.ErrUnknownService]
// comes before the empty set. Errors come at most once per text and once in 10 s.
func (r *Registry) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Endpoint, error] {
	return func(yield func([]discovery.Endpoint, error) bool) {
		if ctx.Err() != nil {
			return
		}
		w, err := r.join(service)
		if err != nil {
			if yield(nil, err) {
				<-ctx.Done()
			}
			return
		}
		defer r.leave(service, w)
		rd := reader{service: service, yield: yield}
		rd.run(ctx, w)
	}
}

// Lookup asks the leader once for the endpoints of a service, in all datacenters, and
// takes no watch's word for it: it confirms, or does not, what a watch says. It is
// bounded by ctx and Config.Timeout.
func (r *Registry) Lookup(ctx context.Context, service string) ([]discovery.Endpoint, error) {
	if err := validName(r.cfg.name(service)); err != nil {
		return nil, err
	}
	dcs := r.datacenters()
	parts := make([][]discovery.Endpoint, len(dcs))
	for i, dc := range dcs {
		q := query{service: r.cfg.name(service), dc: dc, fresh: true}
		ans, err := r.ask(ctx, q)
		if err != nil {
			return nil, named(err, service, dc)
		}
		if err := r.credible(ctx, ans, false); err != nil {
			return nil, named(err, service, dc)
		}
		parts[i] = ans.eps
		r.overtake(service, i, ans.index)
	}
	return merge(parts), nil
}

// overtake notes how far a service was known to be in a datacenter, for its watch if it
// has one.
func (r *Registry) overtake(service string, dc int, index uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.watches[service]; w != nil {
		w.each[dc].overtaken.Store(&mark{index, time.Now()})
	}
}

// Close ends all watches and waits for them; watches of then on yield an error. What
// is registered is withdrawn by the end of its context, not by this. It may be called
// more than once; the error is always nil.
func (r *Registry) Close() error {
	r.mu.Lock()
	r.closed = true
	all := make([]*watch, 0, len(r.watches))
	for _, w := range r.watches {
		all = append(all, w)
	}
	r.mu.Unlock()
	for _, w := range all {
		w.stop()
	}
	r.http.CloseIdleConnections()
	return nil
}

// join finds or starts the watch of a service.
func (r *Registry) join(service string) (*watch, error) {
	if err := validName(r.cfg.name(service)); err != nil {
		return nil, fmt.Errorf("%w: %w", discovery.ErrUnknownService, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.New("consul: the registry is closed")
	}
	w := r.watches[service]
	if w == nil {
		w = startWatch(r, service)
		r.watches[service] = w
	}
	w.readers++
	return w, nil
}

// leave ends the watch with its last reader.
func (r *Registry) leave(service string, w *watch) {
	r.mu.Lock()
	w.readers--
	last := w.readers == 0
	if last && r.watches[service] == w {
		delete(r.watches, service)
	}
	r.mu.Unlock()
	if last {
		w.stop()
	}
}

// datacenters is Config.Datacenters, or the agent's own.
func (r *Registry) datacenters() []string {
	if len(r.cfg.Datacenters) == 0 {
		return []string{""}
	}
	return r.cfg.Datacenters
}

// validName refuses what cannot be a name in the path of a query.
func validName(name string) error {
	bad := func(c rune) bool { return c <= ' ' || c == 0x7f || strings.ContainsRune(`/\?#%`, c) }
	if name == "" || name == "." || name == ".." || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("consul: %q cannot be the name of a service", name)
	}
	return nil
}

// starts spreads the first queries of many watches: the first 8 within a second begin
// at once, the others within a second.
type starts struct {
	mu    sync.Mutex // guards what follows
	since time.Time
	count int
}

func (s *starts) delay() time.Duration {
	const atOnce, within = 8, time.Second
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.since) > within {
		s.since, s.count = now, 0
	}
	s.count++
	if s.count <= atOnce {
		return 0
	}
	return spread(within)
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/longpoll"
)

// ErrDenied is found in the refusal of calls that Consul's intentions do not allow: an
// *enmesh.Error, PermissionDenied, 403, Neutral.
var ErrDenied = errors.New("intentions: access denied")

// refused is that error, built once: what a caller learns does not tell which intention it
// was.
var refused = &enmesh.Error{
	Code: enmesh.PermissionDenied, Outcome: enmesh.Neutral, Unsent: true, Status: http.StatusForbidden,
	Policy: "intentions", Err: ErrDenied,
}

// Authorizer decides over calls by the intentions for one destination, as Consul has them
// now. It is a gate, and an authz.Checker; both are safe for concurrent use. One goroutine
// watches until Close.
type Authorizer struct {
	cfg    Config
	client *api.Client
	wire   *http.Client // under client
	set    atomic.Pointer[Set]
	ready  chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu  sync.Mutex // guards err; nothing is called under it
	err error

	body []byte // the answer that set is made of; of the watching goroutine
}

// New asks the agent and waits for the first answer, until ctx ends. It is an error when none
// came, and when cfg makes no sense; the error says what the agent answered last.
func New(ctx context.Context, cfg Config) (*Authorizer, error) {
	client, wire, err := cfg.client()
	if err != nil {
		return nil, err
	}
	a := &Authorizer{cfg: cfg, client: client, wire: wire, ready: make(chan struct{})}
	loop, err := longpoll.New(longpoll.Config{Wait: cfg.Wait}, a.ask)
	if err != nil {
		return nil, fmt.Errorf("intentions: %w", err)
	}
	watching, cancel := context.WithCancel(context.Background()) // it outlives ctx, and ends in Close
	a.cancel = cancel
	a.done.Go(func() { loop.Run(watching) })
	select {
	case <-a.ready:
		return a, nil
	case <-ctx.Done():
		_ = a.Close() // it has no error
		if err := a.why(); err != nil {
			return nil, fmt.Errorf("intentions: no answer about %q: %w: %w", cfg.Service, context.Cause(ctx), err)
		}
		return nil, fmt.Errorf("intentions: no answer about %q: %w", cfg.Service, context.Cause(ctx))
	}
}

// Admit refuses calls that the intentions do not allow.
func (a *Authorizer) Admit(ctx context.Context, c *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, a.Check(ctx, c)
}

// Done does nothing.
func (a *Authorizer) Done(enmesh.Token, enmesh.Result) {}

// Check is Admit for the engine of package authz.
func (a *Authorizer) Check(ctx context.Context, c *enmesh.Call) error {
	d := a.set.Load().Decide(c)
	if d.Allowed {
		return nil
	}
	if a.cfg.Audit != nil {
		told := d
		a.cfg.Audit(ctx, c, &told)
	}
	return refused
}

// Explain says what would be decided over a call, and why.
func (a *Authorizer) Explain(c *enmesh.Call) Decision { return a.set.Load().Decide(c) }

// Set is the intentions in force.
func (a *Authorizer) Set() *Set { return a.set.Load() }

// Err says why the watch is not well: the agent is out of reach, or an intention is not
// understood. It is nil when all is well.
func (a *Authorizer) Err() error {
	if err := a.why(); err != nil {
		return err
	}
	if p := a.set.Load().Problems(); len(p) > 0 {
		return fmt.Errorf("intentions: %s", strings.Join(p, "; "))
	}
	return nil
}

// Close ends the watch and waits for it. The last intentions stay in force. It may be called
// more than once; the error is always nil.
func (a *Authorizer) Close() error {
	a.cancel()
	a.done.Wait()
	a.wire.CloseIdleConnections()
	return nil
}

func (a *Authorizer) why() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// LogTo makes a Config.Audit that writes one line at level Warn for each refusal: the
// caller's ID, what was called, the intention and the reason.
func LogTo(l *slog.Logger) func(context.Context, *enmesh.Call, *Decision) {
	return func(ctx context.Context, c *enmesh.Call, d *Decision) {
		principal := ""
		if c.Source != nil {
			principal = c.Source.Identity
		}
		l.WarnContext(ctx, "access denied by intentions", "principal", principal, "method", c.Method, "path", c.Path,
			"intention", d.Intention, "permission", d.Permission, "reason", d.Reason)
	}
}

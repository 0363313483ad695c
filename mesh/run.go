// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// Run serves until ctx ends, a signal comes, or a server fails, and then ends the
// process's part in the mesh so that no call is lost:
//
//	return mesh.Run(ctx, m,
//		mesh.Serving{Server: meshhttp.Graceful(web), Addr: ":9080", Protocol: "http"},
//		mesh.Serving{Server: meshgrpc.Graceful(rpc, m.Health()), Addr: ":9081", Protocol: "grpc"},
//		mesh.WithRegistrar(registry),
//	)
//
// It listens on all addresses, says that it is ready, and announces the instance with
// all its ports. At the end it says that it is not ready, withdraws the announcement,
// waits until callers have heard of it (see [Timing]), tells those who still call to
// go elsewhere (Connection: close), takes nothing new (GOAWAY), and waits for the calls
// in flight. All the while it serves what comes. A second signal, and the end of
// [Timing].Drain, cut what is in flight.
//
// Run returns nil when everything ended in order. Otherwise the error says why it
// ended (a listener, a server, the registrar), and errors.Is finds [ErrForced] when
// calls were cut. ctx ending is in order. Each step is logged and told to [OnStep].
// Signals are handled from Run's beginning to its return. Run leaves m open; a Mesh
// runs once.
func Run(ctx context.Context, m *Mesh, opts ...RunOption) error {
	cfg, err := newRunConfig(opts)
	if err != nil {
		return err
	}
	if phase := m.health.Phase(); phase != PhaseStarting {
		return fmt.Errorf("mesh: Run on a mesh that is %s already", phase)
	}
	stop, release := cfg.stops()
	defer release()
	r := &runner{m: m, cfg: cfg, ctx: context.WithoutCancel(ctx), failed: make(chan error, len(cfg.servings)+1)}
	defer m.health.Set(PhaseStopped)
	return r.run(ctx, stop)
}

// ErrForced says that calls in flight were cut at the end of a run: by a second signal, or
// because they did not end in time.
var ErrForced = errors.New("mesh: calls in flight were cut")

// runner is one Run.
type runner struct {
	m         *Mesh
	cfg       *runConfig
	ctx       context.Context //nolint:containedctx // Run's, without its end: the values for what happens at the end
	listeners []net.Listener  // of cfg.servings, by position
	serving   sync.WaitGroup
	failed    chan error // what ends the run by itself
	announced *announcement
	last      time.Time // of the last step
}

func (r *runner) run(ctx context.Context, stop <-chan os.Signal) error {
	admin, err := r.openAdmin()
	if err != nil {
		return err
	}
	defer admin.close()
	if err := r.listen(ctx); err != nil {
		return err
	}
	r.step(StepListen, nil)
	r.serve()
	r.m.health.Set(PhaseReady)
	r.step(StepReady, nil)
	err = r.announce()
	if err == nil {
		err = r.await(ctx, stop)
	}
	r.step(StepStop, err)
	hurried, calm := hurry(r.ctx, stop)
	defer calm()
	err = errors.Join(err, r.leave(hurried))
	r.m.health.Set(PhaseStopped)
	r.step(StepExit, err)
	return err
}

// listen opens every listener, or none.
func (r *runner) listen(ctx context.Context) error {
	var from net.ListenConfig
	for _, s := range r.cfg.servings {
		l, err := s.Listener, error(nil)
		if l == nil {
			addr := s.Addr
			if addr == "" {
				addr = "127.0.0.1:0"
			}
			l, err = from.Listen(ctx, "tcp", addr)
		}
		if err != nil {
			for _, opened := range r.listeners {
				_ = opened.Close() // the error to tell is the other one
			}
			return fmt.Errorf("mesh: listening for %q: %w", s.Name, err)
		}
		if s.Guarded {
			l = r.m.Listen(l)
		}
		r.listeners = append(r.listeners, l)
	}
	return nil
}

// serve starts every server. One that ends by itself ends the run.
func (r *runner) serve() {
	for i, s := range r.cfg.servings {
		l := r.listeners[i]
		r.serving.Go(func() {
			err := s.Server.Serve(l)
			if err == nil {
				err = errors.New("it returned")
			}
			r.failed <- fmt.Errorf("mesh: the server %q at %s ended: %w", s.Name, l.Addr(), err)
		})
	}
}

// await waits for the end, and says why when it is not in order.
func (r *runner) await(ctx context.Context, stop <-chan os.Signal) error {
	select {
	case <-ctx.Done():
		return nil
	case s := <-stop:
		r.m.cfg.log.Info("ending", "signal", s.String())
		return nil
	case err := <-r.failed:
		return err
	}
}

// hurry is a context that ends with the next signal.
func hurry(parent context.Context, stop <-chan os.Signal) (hurried context.Context, calm func()) {
	ctx, cancel := context.WithCancel(parent)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-done }
}

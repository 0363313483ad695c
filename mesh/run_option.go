// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
)

// Server is what [Run] serves. *http.Server is one, in plaintext;
// meshhttp.Graceful makes one of it that speaks TLS where it has a configuration, and
// that gives the closing hint; meshgrpc.Graceful makes one of a *grpc.Server.
//
// Shutdown takes no new connections, finishes the calls in flight and returns, at the
// latest when ctx ends. Two more methods are used where a Server has them:
// Hint(context.Context), which tells callers on every answer to go elsewhere, goes on
// serving, and returns when nobody is connected or its context ends; and Close()
// error, which cuts everything.
type Server interface {
	Serve(l net.Listener) error
	Shutdown(ctx context.Context) error
}

// Serving is a Server and where it listens. It is an option of [Run], and may be given
// any number of times.
type Serving struct {
	Server Server
	// Addr is where to listen, "host:port"; "" is a free port on 127.0.0.1.
	Addr string
	// Listener is listened on instead of Addr, when not nil. Run closes it.
	Listener net.Listener
	// Guarded listens through [Mesh.Listen], so that PeerAuthentication holds for the port.
	// The Server then does no TLS of its own; one of gRPC has meshgrpc.WithListener.
	Guarded bool
	// Protocol is what is announced of the port: "http", "http2", "grpc", "tcp"; ""
	// is any.
	Protocol string
	// Port is the service port that callers name; 0 is the port listened on.
	Port uint16
	// Name is that of the port, for the log and the announcement; "" is Protocol.
	Name string
}

// RunOption is an option of [Run].
type RunOption interface{ run(cfg *runConfig) }

func (s Serving) run(cfg *runConfig) { cfg.servings = append(cfg.servings, s) }

type runOption func(cfg *runConfig)

func (o runOption) run(cfg *runConfig) { o(cfg) }

// runConfig is what the options add up to.
type runConfig struct {
	servings  []Serving
	registrar discovery.Registrar
	instance  discovery.Instance
	timing    Timing
	signals   []os.Signal
	stop      <-chan os.Signal
	steps     []func(Step)
	health    string
	status    string
}

// DefaultTiming is how long the steps of an end take unless [WithTiming] says
// otherwise.
var DefaultTiming = Timing{
	Propagation: 5 * time.Second, Margin: 500 * time.Millisecond,
	Hint: time.Second, Drain: 30 * time.Second, Force: time.Second,
}

// Timing bounds the steps of an end. A zero field is that of [DefaultTiming]; a
// negative one leaves no time at all.
type Timing struct {
	// Propagation bounds the wait, after the registration was withdrawn, for callers
	// to hear of it. The wait ends sooner when this process's own resolver has seen
	// the instance disappear: then as long again as that took, and at least Margin.
	// Without a registrar there is no wait.
	Propagation time.Duration
	Margin      time.Duration
	// Hint bounds how long answers tell callers to go elsewhere before connections
	// are closed. Of a time in which the process stands still a part of it counts.
	Hint time.Duration
	// Drain bounds the time for calls in flight to finish.
	Drain time.Duration
	// Force bounds the time for what was cut to end.
	Force time.Duration
}

func (t Timing) complete() Timing {
	or := func(d, def time.Duration) time.Duration {
		if d == 0 {
			return def
		}
		return max(d, 0)
	}
	return Timing{
		Propagation: or(t.Propagation, DefaultTiming.Propagation), Margin: or(t.Margin, DefaultTiming.Margin),
		Hint: or(t.Hint, DefaultTiming.Hint), Drain: or(t.Drain, DefaultTiming.Drain), Force: or(t.Force, DefaultTiming.Force),
	}
}

// WithRegistrar announces the process once it is ready, and withdraws it first of all
// when it ends.
func WithRegistrar(r discovery.Registrar) RunOption {
	return runOption(func(cfg *runConfig) { cfg.registrar = r })
}

// WithInstance is what to announce where it differs from what Run knows. Zero fields
// are filled in: the service, version, labels, locality and service account from the
// [Workload], an ID that no other run has, the host of the first listener that is bound to
// one (else the first address of this machine that is not loopback), and a port for
// each Serving.
func WithInstance(in discovery.Instance) RunOption {
	return runOption(func(cfg *runConfig) { cfg.instance = in })
}

// WithTiming bounds the steps of an end.
func WithTiming(t Timing) RunOption { return runOption(func(cfg *runConfig) { cfg.timing = t }) }

// WithSignals are the signals that end the run; a second one ends it by force. The
// default is SIGTERM and SIGINT. With none, only the context ends the run.
func WithSignals(signals ...os.Signal) RunOption {
	return runOption(func(cfg *runConfig) { cfg.signals = signals })
}

// WithStop takes what ends the run from ch instead of from the process's signals: the
// first value ends it in order, the second by force. It is for programs that handle
// signals themselves, or that run several times in one process.
func WithStop(ch <-chan os.Signal) RunOption {
	return runOption(func(cfg *runConfig) { cfg.stop = ch })
}

// OnStep hears of each step as it is taken, in order, on Run's goroutine: keep it short.
func OnStep(f func(Step)) RunOption {
	return runOption(func(cfg *runConfig) { cfg.steps = append(cfg.steps, f) })
}

// WithHealth serves [Health.Handler] at addr for as long as Run lasts, from before
// the process is ready until it has drained. A host that is missing (":8081") is
// 127.0.0.1; probes from elsewhere need "0.0.0.0:8081".
func WithHealth(addr string) RunOption { return runOption(func(cfg *runConfig) { cfg.health = addr }) }

// WithStatus serves /metrics, /status (JSON), /explain and /decisions (see
// [Mesh.Explainer]), /breakers, /healthz and /readyz at addr for as long as Run lasts. A host that is missing is 127.0.0.1. It says much about the process
// to anybody who asks, so that any other than a loopback address is refused.
//
// POST /breakers?service=ratings&do=open holds the breaker of a CircuitBreaker document open; do=close
// holds it closed, do=reset lets go of it, and route names one that is per route (see [Mesh.Breaker]).
func WithStatus(addr string) RunOption { return runOption(func(cfg *runConfig) { cfg.status = addr }) }

func newRunConfig(opts []RunOption) (*runConfig, error) {
	cfg := &runConfig{signals: []os.Signal{syscall.SIGTERM, os.Interrupt}}
	for _, o := range opts {
		o.run(cfg)
	}
	cfg.timing = cfg.timing.complete()
	if len(cfg.servings) == 0 {
		return nil, errors.New("mesh: Run has nothing to serve: give it a Serving")
	}
	for i, s := range cfg.servings {
		if s.Server == nil {
			return nil, fmt.Errorf("mesh: Serving %d (%q) has no Server", i, s.Name)
		}
		if s.Name == "" {
			cfg.servings[i].Name = s.Protocol
		}
	}
	return cfg, nil
}

// stops is where the wish to end comes from; release lets go of the signals.
func (cfg *runConfig) stops() (stop <-chan os.Signal, release func()) {
	if cfg.stop != nil {
		return cfg.stop, func() {}
	}
	ch := make(chan os.Signal, 2)
	if len(cfg.signals) > 0 { // Notify without any would relay all
		signal.Notify(ch, cfg.signals...)
	}
	return ch, func() { signal.Stop(ch) }
}

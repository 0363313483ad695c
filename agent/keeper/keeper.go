// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package keeper keeps the unix socket of an agent while there is none. It does nothing else,
// so that it runs when an agent is replaced, cannot start or has died.
//
// An agent that begins takes a copy of the socket ([Take]), and the keeper leaves its clients to
// it ([Lease.Serving]). When the last agent has gone, clients that connect wait in the socket
// for the next one. After [Config.Patience] the keeper answers them itself: who begins without
// an agent is told at once that there is none, and calls end with UNAVAILABLE and the reason.
// Who was served by an agent before is told nothing, and goes on with what it has. All go to
// the next agent as soon as it answers.
//
// Without a keeper it is the client that tries again, and a client of gRPC does so later and
// later, up to two minutes apart, which no bootstrap file can change. A client that was
// answered comes back at once.
package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/agent/translate"
	"github.com/enmesh-go/enmesh/agent/xds"
)

// Defaults of [Config].
const (
	DefaultPatience = 3 * time.Second
	Suffix          = ".keeper" // of a socket's path: where agents ask for it
)

// leave is the time over which clients are let go to an agent.
const leave = 100 * time.Millisecond

// Config says what is kept.
type Config struct {
	// Socket is the path of the socket; its directory must exist. Agents ask for it at the
	// path with [Suffix], which is for our own user and root alone. Required.
	Socket string
	// Peers says who may connect, beside our own user and root.
	Peers xds.UnixConfig
	// Inherited is the socket, where a service manager has opened it and keeps it. nil: the
	// keeper opens it.
	Inherited *net.UnixListener
	// Patience is how long clients wait for another agent before they are told that there is
	// none. 0 is 3 s; negative is refused. More than the 20 s for which gRPC waits for a
	// connection would have them fail, and try later and later.
	Patience time.Duration
	// Log gets what happens. nil is slog.Default().
	Log *slog.Logger
}

// Keeper keeps a socket. It is made by [Open].
type Keeper struct {
	cfg     Config
	socket  net.Listener
	control net.Listener

	mu      sync.Mutex        // guards what follows
	agents  map[net.Conn]bool // those that have the socket; true: it serves
	patient *time.Timer
	standIn *standIn // nil: nobody is told anything
	closed  bool
	wait    sync.WaitGroup
}

// Open opens the socket, which it replaces if it is dead. It fails if it is served.
func Open(cfg Config) (*Keeper, error) {
	switch {
	case cfg.Socket == "":
		return nil, errors.New("keeper: Config.Socket is empty")
	case cfg.Patience < 0:
		return nil, fmt.Errorf("keeper: Config.Patience is %v, it must not be negative", cfg.Patience)
	case cfg.Patience == 0:
		cfg.Patience = DefaultPatience
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Peers.Log == nil {
		cfg.Peers.Log = cfg.Log
	}
	k := &Keeper{cfg: cfg, agents: map[net.Conn]bool{}}
	var err error
	if k.control, err = xds.ListenUnix(cfg.Socket+Suffix, xds.UnixConfig{Log: cfg.Log}); err != nil {
		return nil, err
	}
	if cfg.Inherited != nil {
		k.socket, err = xds.InheritUnix(cfg.Inherited, cfg.Peers)
	} else {
		k.socket, err = xds.ListenUnix(cfg.Socket, cfg.Peers)
	}
	if err != nil {
		_ = k.control.Close() // err is the one to tell
		return nil, err
	}
	return k, nil
}

// Run keeps the socket until ctx ends, or agents cannot be heard any more. Then Close is to be
// called.
func (k *Keeper) Run(ctx context.Context) error {
	end := context.AfterFunc(ctx, func() { _ = k.control.Close() }) // it has no other use
	defer end()
	k.vacant()
	for {
		c, err := k.control.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return nil
		case err != nil:
			return fmt.Errorf("keeper: %w", err)
		}
		k.wait.Go(func() { k.lend(c) })
	}
}

// Close ends all of it. Agents that have the socket keep it, and its path with it where one
// serves.
func (k *Keeper) Close() error {
	k.mu.Lock()
	k.closed = true
	served := false
	for c, serves := range k.agents {
		served = served || serves
		_ = c.Close()
	}
	stop := k.fill()
	k.mu.Unlock()
	stop()
	err := k.control.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil // by Run
	}
	if !served {
		err = errors.Join(err, k.socket.Close())
	}
	k.wait.Wait()
	return err
}

// vacant begins to wait for an agent.
func (k *Keeper) vacant() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || k.patient != nil || k.standIn != nil {
		return
	}
	k.patient = time.AfterFunc(k.cfg.Patience, k.answer)
}

// answer begins to answer in the place of an agent.
func (k *Keeper) answer() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || k.patient == nil {
		return // an agent came
	}
	k.patient = nil
	s, err := xds.New(xds.Config{
		Catalog: translate.Nobody("no agent serves at " + k.cfg.Socket),
		Log:     slog.New(slog.DiscardHandler), // of rejections, which are wanted
	})
	if err != nil {
		k.cfg.Log.Error("keeper: clients wait for an agent without being told", "error", err)
		return
	}
	k.cfg.Log.Warn("keeper: there is no agent, and clients are told so", "socket", k.cfg.Socket, "after", k.cfg.Patience)
	k.standIn = standInFor(s, k.socket, k.cfg.Log)
}

// fill ends what answers in the place of an agent. What it returns waits for that end, and is
// to be called without the lock.
func (k *Keeper) fill() (end func()) {
	if k.patient != nil {
		k.patient.Stop()
		k.patient = nil
	}
	s := k.standIn
	if k.standIn = nil; s == nil {
		return func() {}
	}
	return s.end
}

// lend gives an agent the socket, and hears how it is until it ends.
func (k *Keeper) lend(c net.Conn) {
	defer c.Close()
	if !k.enter(c) {
		return
	}
	defer k.gone(c)
	if err := give(c, k.socket); err != nil {
		k.cfg.Log.Warn("keeper: an agent could not be given the socket", "error", err)
		return
	}
	for one := make([]byte, 1); ; {
		if _, err := c.Read(one); err != nil {
			return
		}
		if one[0] == serving {
			k.serves(c)
		}
	}
}

func (k *Keeper) enter(c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return false
	}
	k.agents[c] = false
	return true
}

// serves leaves the clients to an agent.
func (k *Keeper) serves(c net.Conn) {
	k.mu.Lock()
	k.agents[c] = true
	end := k.fill()
	k.mu.Unlock()
	k.cfg.Log.Info("keeper: an agent serves", "socket", k.cfg.Socket)
	end()
}

// gone forgets an agent.
func (k *Keeper) gone(c net.Conn) {
	k.mu.Lock()
	served := k.agents[c]
	delete(k.agents, c)
	others := false
	for _, serves := range k.agents {
		others = others || serves
	}
	k.mu.Unlock()
	if served && !others {
		k.cfg.Log.Info("keeper: the agent has gone", "socket", k.cfg.Socket)
	}
	if !others {
		k.vacant()
	}
}

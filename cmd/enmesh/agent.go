// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"

	"github.com/enmesh-go/enmesh/agent"
)

// agentFlagSet is the flags of "enmesh agent", with their help.
func agentFlagSet(messages io.Writer) (*flag.FlagSet, *agentFlags) {
	set := flags("agent", "", "", messages)
	f := &agentFlags{}
	f.flags(set)
	grouped(set, "[flags]", agentText, agentGroups)
	return set, f
}

// serveAgent is "enmesh agent".
func serveAgent(ctx context.Context, args []string, _, messages io.Writer) int {
	set, f := agentFlagSet(messages)
	if code, done := parseWith(set, agentVariables, args); done {
		return code
	}
	log, err := f.logs.open(messages)
	if err != nil {
		say(messages, "enmesh: agent: %v\n", err)
		return exitUsage
	}
	f.Log = log
	closers, err := f.config()
	if err != nil {
		say(messages, "enmesh: agent: %v\n", err)
		return exitUsage
	}
	err = runAgent(ctx, f.Config, log)
	if err = errors.Join(err, closeAll(closers)); err != nil {
		log.Error("enmesh: the agent failed", "error", err)
		return exitNo
	}
	log.Info("enmesh: the agent has ended")
	return exitWell
}

// config makes the whole of agent.Config, and what is to be closed after the agent.
func (a *agentFlags) config() (closers []io.Closer, err error) {
	if a.Socket == "" && a.Listen == "" && a.ListenTLS == "" {
		a.Socket = defaultSocket
	}
	if err := a.peers.apply(&a.Config); err != nil {
		return nil, err
	}
	if a.Inherited, err = inherited(); err != nil {
		return nil, err
	}
	a.Keeper = true
	if a.Issue, err = a.issue.issues(a.TrustDomain, &a.sources); err != nil {
		return nil, err
	}
	from, err := a.sources.open()
	if err != nil {
		return nil, err
	}
	a.Resolver, a.DNS, a.PolicySources = from.resolver, from.names, from.policies
	if dir := a.peers.identity; dir != "" {
		files, err := openFiles(dir)
		if err != nil {
			return nil, errors.Join(err, closeAll(from.closers))
		}
		a.Identity, from.closers = files, append(from.closers, files)
	}
	return from.closers, nil
}

// collectAt is by how much the heap may grow before it is collected, in percent. An agent
// keeps much and throws little away, so that it is cheap to look more often than Go does.
const collectAt = 30

// runAgent runs one until ctx ends.
func runAgent(ctx context.Context, cfg agent.Config, log *slog.Logger) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	a, err := agent.Open(ctx, cfg)
	if err != nil {
		return err
	}
	log.Info("enmesh: the agent listens", "socket", cfg.Socket, "listen", addr(a.Addr()), "listen_tls", addr(a.AddrTLS()), "admin", addr(a.AdminAddr()))
	var wait sync.WaitGroup
	serving, cancel := context.WithCancel(ctx)
	wait.Go(func() { announce(serving, a, log) })
	err = a.Run(ctx)
	cancel()
	wait.Wait()
	return errors.Join(err, a.Close())
}

// announce says that the agent answers, and then that it ends with ctx.
func announce(ctx context.Context, a *agent.Agent, log *slog.Logger) {
	select {
	case <-a.Ready():
		log.Info("enmesh: the agent answers")
		tellSystemd(ctx, "READY=1")
		<-ctx.Done()
	case <-ctx.Done():
	}
	log.Info("enmesh: the agent is to end")
	tellSystemd(context.WithoutCancel(ctx), "STOPPING=1")
}

// addr is where somebody listens, for a log.
func addr(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"

	"github.com/enmesh-go/enmesh/agent/keeper"
)

const keepText = `agent keep keeps the socket of this host's agent while there is none: between two agents,
and while one cannot start. It runs beside the agent, until it is interrupted or terminated,
and needs no configuration but the socket's.

  enmesh agent keep &
  enmesh agent -consul 127.0.0.1:8500 -policies policies/

An agent on the same -socket takes it from the keeper. Programs that start while there is no
agent wait a moment for one, and then their calls fail at once and say that there is none; all
are served as soon as there is one. Programs that were served before go on with what they have.
A socket that systemd opened (LISTEN_FDS) is used where it has the same address.

Each flag has a variable: ENMESH_AGENT_KEEP_SOCKET for -socket, and so on; a flag goes before
its variable.`

const keepVariables = "ENMESH_AGENT_KEEP_"

// keepFlagSet is the flags of "enmesh agent keep".
func keepFlagSet(messages io.Writer) (*flag.FlagSet, *keeper.Config, *peerFlags, *logFlags) {
	set := flags("agent keep", "[flags]", keepText, messages)
	c, peers, logs := &keeper.Config{}, &peerFlags{}, &logFlags{}
	set.StringVar(&c.Socket, "socket", defaultSocket, "`path` of the socket, as the agent has it")
	peers.socket(set)
	set.DurationVar(&c.Patience, "patience", keeper.DefaultPatience, "`time` for which programs wait for another agent before they are told that there is none")
	logs.flags(set)
	return set, c, peers, logs
}

// keepSocket is "enmesh agent keep".
func keepSocket(ctx context.Context, args []string, _, messages io.Writer) int {
	set, c, peers, logs := keepFlagSet(messages)
	if code, done := parseWith(set, keepVariables, args); done {
		return code
	}
	log, err := logs.open(messages)
	if err == nil {
		err = peers.who(&c.Peers)
	}
	if err == nil {
		c.Inherited, err = inheritedAt(c.Socket)
	}
	if err != nil {
		say(messages, "enmesh: agent keep: %v\n", err)
		return exitUsage
	}
	c.Log = log
	k, err := keeper.Open(*c)
	if err != nil {
		log.Error("enmesh: the socket is not kept", "error", err)
		return exitNo
	}
	log.Info("enmesh: the socket is kept", "socket", c.Socket)
	tellSystemd(ctx, "READY=1")
	if err := errors.Join(k.Run(ctx), k.Close()); err != nil {
		log.Error("enmesh: the keeper failed", "error", err)
		return exitNo
	}
	return exitWell
}

// inheritedAt is the socket that the service manager opened at a path; nil without one.
func inheritedAt(path string) (*net.UnixListener, error) {
	all, err := inherited()
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if l, ok := all[0].(*net.UnixListener); ok && len(all) == 1 && l.Addr().String() == path {
		return l, nil
	}
	err = fmt.Errorf("LISTEN_FDS: the socket %s is not the one to keep, %s: name the same address in both", all[0].Addr(), path)
	for _, l := range all {
		_ = l.Close() // err is the one to tell
	}
	return nil, err
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/agent/bootstrap"
	"github.com/enmesh-go/enmesh/agent/xds"
)

// peerFlags say who is served, and where.
type peerFlags struct {
	mode          string
	users, groups words
	identity      string
	limits        pairs
}

// defaultSocket is where the agent serves if it is not told where.
var defaultSocket = strings.TrimPrefix(bootstrap.DefaultServer, "unix://")

func (p *peerFlags) flags(set *flag.FlagSet) {
	p.socket(set)
	set.StringVar(&p.identity, "identity", "", "`folder` with the cert.pem, key.pem and ca.pem of the agent itself, for -listen-tls")
	set.Var(&p.limits, "limit", "bound on what a client may send, `name=number`: request-bytes, names, name-bytes, node-bytes, node-id, response-bytes;\nmay be given several times")
}

// socket is the flags that say who may connect to the socket.
func (p *peerFlags) socket(set *flag.FlagSet) {
	set.StringVar(&p.mode, "socket-mode", "0600", "`mode` of the socket, in octal")
	set.Var(&p.users, "socket-user", "`user` that may connect beside our own and root, by name or number; may be given several times")
	set.Var(&p.groups, "socket-group", "`group` whose members, by their primary group, may connect; may be given several times")
}

// apply puts it into the configuration of an agent.
func (p *peerFlags) apply(c *agent.Config) error {
	if err := p.who(&c.SocketPeers); err != nil {
		return err
	}
	return p.limit(c)
}

// who says who may connect to the socket.
func (p *peerFlags) who(c *xds.UnixConfig) error {
	mode, err := strconv.ParseUint(p.mode, 8, 32)
	if err != nil || fs.FileMode(mode).Perm() != fs.FileMode(mode) || mode == 0 {
		return fmt.Errorf("-socket-mode %q: it is no mode such as 0600 or 0660", p.mode)
	}
	c.Mode = fs.FileMode(mode)
	if c.Users, err = numbers("socket-user", p.users, userID); err != nil {
		return err
	}
	c.Groups, err = numbers("socket-group", p.groups, groupID)
	return err
}

func (p *peerFlags) limit(c *agent.Config) error {
	of := map[string]*int{
		"request-bytes": &c.Limits.RequestBytes, "names": &c.Limits.Names, "name-bytes": &c.Limits.NameBytes,
		"node-bytes": &c.Limits.NodeBytes, "node-id": &c.Limits.NodeID, "response-bytes": &c.Limits.ResponseBytes,
	}
	for name, text := range p.limits.all {
		n, err := strconv.Atoi(text)
		if of[name] == nil || err != nil || n < 1 {
			return fmt.Errorf("-limit %s=%s: there is no such limit, or it is no number above 0", name, text)
		}
		*of[name] = n
	}
	return nil
}

// numbers are the ids of users or groups.
func numbers(name string, texts []string, look func(string) (string, error)) ([]uint32, error) {
	var out []uint32
	for _, text := range texts {
		digits := text
		if _, err := strconv.ParseUint(text, 10, 32); err != nil {
			if digits, err = look(text); err != nil {
				return nil, fmt.Errorf("-%s %s: %w", name, text, err)
			}
		}
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("-%s %s: %w", name, text, err)
		}
		out = append(out, uint32(n))
	}
	return out, nil
}

func userID(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func groupID(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

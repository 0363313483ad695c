// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
)

// allot says which inherited socket is for which field.
func allot(cfg Config) (map[string]net.Listener, error) {
	given := map[string]net.Listener{}
	for i, l := range cfg.Inherited {
		at := slices.IndexFunc(places(cfg), func(p place) bool { return given[p.field] == nil && p.is(l) })
		if at < 0 {
			var asked []string
			for _, p := range places(cfg) {
				if p.addr != "" {
					asked = append(asked, p.field+" "+p.addr)
				}
			}
			return nil, fmt.Errorf("agent: Config.Inherited[%d] is the socket %s, which is none that the agent is to listen at (%s): name the same address in both",
				i, l.Addr(), strings.Join(asked, ", "))
		}
		given[places(cfg)[at].field] = l
	}
	return given, nil
}

// is reports whether a socket is at the place.
func (p place) is(l net.Listener) bool {
	if p.addr == "" {
		return false
	}
	switch l := l.(type) {
	case *net.UnixListener:
		return p.network == "unix" && filepath.Clean(l.Addr().String()) == filepath.Clean(p.addr)
	case *net.TCPListener:
		if p.network != "tcp" {
			return false
		}
		want, err := net.ResolveTCPAddr("tcp", p.addr)
		is, ok := l.Addr().(*net.TCPAddr)
		return err == nil && ok && is.Port == want.Port && (is.IP.Equal(want.IP) || is.IP.IsUnspecified() && (want.IP == nil || want.IP.IsUnspecified()))
	default:
		return false
	}
}

// closeInherited lets go of what was given to an agent that did not open.
func closeInherited(cfg Config) {
	for _, l := range cfg.Inherited {
		if l != nil {
			_ = l.Close() // it says only that it was closed before
		}
	}
}

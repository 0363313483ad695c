// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// server is where an agent serves, as clients write it.
type server struct {
	uri   string
	unix  bool
	local bool // nobody else can listen in
}

var (
	errSocketPath = errors.New("a socket is unix:// and an absolute path")
	errHostPort   = errors.New("it is neither unix:///path/to.sock nor host:port")
)

// parseServer reads "unix:///path", "unix:/path", "/path" or "host:port".
func parseServer(text string) (server, error) {
	path, unix := strings.CutPrefix(text, "unix:")
	if unix {
		path = strings.TrimPrefix(path, "//")
	}
	if unix || strings.HasPrefix(text, "/") {
		if !filepath.IsAbs(path) || strings.ContainsAny(path, "?#%\x00") {
			return server{}, errSocketPath
		}
		return server{uri: "unix://" + filepath.Clean(path), unix: true, local: true}, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || strings.ContainsAny(text, "/ ") {
		return server{}, errHostPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return server{}, errHostPort
	}
	return server{uri: text, local: isLocal(host)}, nil
}

// isLocal reports whether a host is this one, by its name alone.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package loopback keeps what is for this host only on this host: addresses, and pages that say
// much to anybody who asks.
//
//	addr := loopback.Complete(":15000")
//	if err := loopback.Check(addr); err != nil {
//		return err
//	}
//	http.ListenAndServe(addr, loopback.Only("mesh", handler))
package loopback

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
)

// Complete adds the host that is missing in ":8080". An empty address stays empty.
func Complete(addr string) string {
	if host, port, err := net.SplitHostPort(addr); err == nil && host == "" {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}

// Check refuses an address that others can reach.
func Check(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q: %w", addr, err)
	}
	if !Is(host) {
		return fmt.Errorf("%q is not a loopback address", addr)
	}
	return nil
}

// Is reports whether a host is this one: "localhost" or a loopback address.
func Is(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Only refuses requests by another name: a web page elsewhere could otherwise read the
// answers through a name that it makes lead to this machine (DNS rebinding). The package that
// serves is named in the refusal.
func Only(pkg string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !Is(host) {
			http.Error(w, pkg+": ask by a loopback address", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

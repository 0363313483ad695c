// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import "strings"

// Naming makes the one key that a service has in calls, policies and registries:
// its full name, "reviews.default.svc.cluster.local". The zero Naming is that of
// the namespace "default".
type Naming struct {
	Namespace string   // of short names; "" is "default"
	Domain    string   // of the mesh; "" is "cluster.local"
	Known     []string // other namespaces, so that "reviews.shop" is read as name.namespace
}

// Key is the key of host, which may be a short name, name.namespace, name.namespace.svc,
// the full name, or a foreign name, which stays as it is. Case, a trailing dot and
// a port are dropped. A wildcard ("*", "*.shop") is only completed like a name.
//
// "reviews.shop" is ambiguous with a foreign name such as "example.com": it is
// name.namespace only if "shop" is the Naming's own namespace or in Known.
func (n Naming) Key(host string) string {
	host = strings.TrimSuffix(lower(stripPort(host)), ".")
	if host == "" || host == "*" || strings.IndexByte(host, ':') >= 0 {
		return host
	}
	domain := n.Domain
	if domain == "" {
		domain = "cluster.local"
	}
	first := strings.IndexByte(host, '.')
	if first < 0 {
		return host + "." + n.namespace() + ".svc." + domain
	}
	rest := host[first+1:]
	second := strings.IndexByte(rest, '.')
	switch {
	case second < 0 && n.knows(rest):
		return host + ".svc." + domain
	case second >= 0 && rest[second+1:] == "svc":
		return host + "." + domain
	}
	return host
}

func (n Naming) namespace() string {
	if n.Namespace == "" {
		return "default"
	}
	return n.Namespace
}

func (n Naming) knows(namespace string) bool {
	if namespace == n.namespace() {
		return true
	}
	for _, k := range n.Known {
		if k == namespace {
			return true
		}
	}
	return false
}

// SplitKey takes the key of a mesh service apart: "reviews.default.svc.cluster.local"
// is "reviews" and "default". It reports false for a foreign name.
func (n Naming) SplitKey(key string) (name, namespace string, ok bool) {
	name, rest, ok := strings.Cut(key, ".")
	if !ok {
		return "", "", false
	}
	namespace, rest, ok = strings.Cut(rest, ".")
	domain := n.Domain
	if domain == "" {
		domain = "cluster.local"
	}
	if !ok || rest != "svc."+domain {
		return "", "", false
	}
	return name, namespace, true
}

// stripPort drops ":port" from a host; a bare IPv6 address keeps its colons.
func stripPort(host string) string {
	i := strings.LastIndexByte(host, ':')
	if i < 0 {
		return host
	}
	if strings.IndexByte(host, ':') != i { // IPv6: only "[addr]:port" has a port
		if strings.HasPrefix(host, "[") && host[i-1] == ']' {
			return host[1 : i-1]
		}
		return strings.Trim(host, "[]")
	}
	return host[:i]
}

// lower is strings.ToLower for ASCII, without a copy when nothing changes.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

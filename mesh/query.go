// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// Query describes a call that is not made, for [Mesh.Explain]. Only Host is required.
type Query struct {
	Protocol enmesh.Protocol
	// Host is what is called, as a URL or a target has it: "reviews", "reviews.shop",
	// "reviews:9080".
	Host string
	// Port is the destination's port; 0: that in Host, if there is one.
	Port uint16
	// Authority is the Host header or :authority; "" is Host.
	Authority string
	Scheme    string // "http" or "https"; "" is "http", as gRPC always has
	Method    string // "" is "GET"; in gRPC it is "POST" whatever stands here
	// Path is decoded and without its query, "/package.Service/Method" in gRPC; "" is "/".
	Path     string
	RawQuery string // without "?"
	// Header is the header, or gRPC's metadata. Names are in any case.
	Header http.Header
	// Candidates is how many endpoints of each destination are listed. 0 is 100; negative
	// is none.
	Candidates int
}

// DefaultCandidates is how many endpoints of a destination an [Explanation] lists.
const DefaultCandidates = 100

// check says what is wrong with the query, and how to put it right.
func (q *Query) check() error {
	switch {
	case q.Host == "":
		return errors.New("mesh: explain: host is missing: say what is called, as host=reviews")
	case strings.ContainsAny(q.Host, "/ ?#@"):
		return fmt.Errorf("mesh: explain: host %q is no host: leave out scheme and path", q.Host)
	case q.Scheme != "" && q.Scheme != "http" && q.Scheme != "https":
		return fmt.Errorf("mesh: explain: scheme %q is not known: http and https are", q.Scheme)
	case q.Path != "" && q.Path[0] != '/':
		return fmt.Errorf("mesh: explain: path %q does not begin with a slash", q.Path)
	case q.Protocol == enmesh.GRPC && strings.Count(q.Path, "/") != 2:
		return fmt.Errorf("mesh: explain: path %q is no method of gRPC: write /package.Service/Method", q.Path)
	case strings.Contains(q.Path, "?"):
		return fmt.Errorf("mesh: explain: path %q has a query: give it apart, as query=a=b", q.Path)
	}
	return nil
}

// carrier is the call as the adapters describe it to a Router.
func (q *Query) carrier() *enmesh.Carrier {
	k := &enmesh.Carrier{}
	c := &k.Call
	c.Side, c.Protocol, c.Attempt = enmesh.Client, q.Protocol, 1
	c.Service, c.Port = q.destination()
	c.Method, c.Path, c.Query, c.Scheme = q.Method, q.Path, q.RawQuery, q.Scheme
	if c.Scheme == "" {
		c.Scheme = "http"
	}
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if c.Authority = q.Authority; c.Authority == "" {
		c.Authority = q.Host
	}
	if q.Protocol == enmesh.GRPC {
		c.Method, c.Scheme, c.Query = http.MethodPost, "http", ""
	}
	c.Header = headerOf(q.Header)
	return k
}

// destination takes a port off the host.
func (q *Query) destination() (host string, port uint16) {
	host, port = q.Host, q.Port
	if name, text, err := net.SplitHostPort(q.Host); err == nil {
		if n, err := strconv.ParseUint(text, 10, 16); err == nil {
			host = name
			if port == 0 {
				port = uint16(n)
			}
		}
	}
	return strings.Trim(host, "[]"), port
}

// header is a header whose names are in any case.
type header map[string][]string

var _ enmesh.Header = header(nil)

func headerOf(from http.Header) header {
	h := header{}
	for name, values := range from {
		for _, v := range values {
			h.Add(name, v)
		}
	}
	return h
}

func (h header) Get(key string) string {
	if vs := h.Values(key); len(vs) > 0 {
		return vs[0]
	}
	return ""
}
func (h header) Values(key string) []string { return h[strings.ToLower(key)] }
func (h header) Set(key, value string)      { h[strings.ToLower(key)] = []string{value} }
func (h header) Del(key string)             { delete(h, strings.ToLower(key)) }
func (h header) Add(key, value string) {
	key = strings.ToLower(key)
	h[key] = append(slices.Clip(h[key]), value)
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
)

// webHeader is a header as HTTP has it: a name in another case costs an allocation.
type webHeader struct{ http.Header }

func (h webHeader) Get(k string) string      { return h.Header.Get(k) }
func (h webHeader) Values(k string) []string { return h.Header.Values(k) }

// metadata is a header as gRPC has it: names in lower case.
type metadata map[string][]string

func (m metadata) Get(k string) string {
	if vs := m.Values(k); len(vs) > 0 {
		return vs[0]
	}
	return ""
}
func (m metadata) Values(k string) []string { return m[strings.ToLower(k)] }
func (m metadata) Set(k, v string)          { m[strings.ToLower(k)] = []string{v} }
func (m metadata) Del(k string)             { delete(m, strings.ToLower(k)) }
func (m metadata) Add(k, v string) {
	k = strings.ToLower(k)
	m[k] = append(slices.Clip(m[k]), v)
}

// calls are the same call over both protocols; header is name, value, name, value...
func calls(method, path string, header ...string) map[string]*enmesh.Call {
	web, md := webHeader{http.Header{}}, metadata{}
	for i := 0; i < len(header); i += 2 {
		web.Add(header[i], header[i+1])
		md.Add(header[i], header[i+1])
	}
	return map[string]*enmesh.Call{
		"http": {Protocol: enmesh.HTTP, Method: method, Path: path, Header: web},
		"grpc": {Protocol: enmesh.GRPC, Method: method, Path: path, Header: md},
	}
}

func mustCompile(t testing.TB, m route.Match) *route.Match {
	t.Helper()
	c, err := route.Compile(m)
	if err != nil {
		t.Fatalf("Compile: %v", err)
	}
	return c
}

// folding is sm without regard to case.
func folding(sm route.StringMatch) route.StringMatch {
	sm.IgnoreCase = true
	return sm
}

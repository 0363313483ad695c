// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// key is the digest of a request: nobody can make one request answer for another.
type key [sha256.Size]byte

// keyOf is the key of a request whose answer may be kept; false: it may not.
func (s *cache) keyOf(c *enmesh.Call) (key, bool) {
	if c.Side == enmesh.Server || !s.readOnly(c) || !s.cfg.Credentials && secret(c) {
		return key{}, false
	}
	body, ok := c.RequestBody(MaxBody)
	if !ok || c.Protocol == enmesh.HTTP && len(body) > 0 {
		return key{}, false
	}
	buf := make([]byte, 0, 256+len(body))
	for _, s := range []string{c.Destination.String(), c.Method, c.Scheme, c.Authority, c.Path, c.Query} {
		buf = field(buf, s)
	}
	for _, name := range s.named {
		buf = field(buf, joined(c, name))
	}
	return sha256.Sum256(append(buf, body...)), true
}

// namesOf are the headers that are part of every key.
func namesOf(cfg Cache) []string {
	var names []string
	if cfg.Credentials {
		names = append(names, secrets...)
	}
	for name := range strings.SplitSeq(cfg.Headers, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// field appends s so that no two lists of fields are the same bytes.
func field(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

// readOnly reports whether the call asks and changes nothing, as far as can be seen: GET
// and HEAD of something whole, and what is marked idempotent in gRPC.
func (s *cache) readOnly(c *enmesh.Call) bool {
	if c.Protocol == enmesh.GRPC {
		return c.Kind == enmesh.Unary && (s.idempotent || c.Idempotent || c.Route != nil && c.Route.Idempotent)
	}
	return (c.Method == "GET" || c.Method == "HEAD") && !has(c, "Range") //nolint:usestdlibvars // net/http is for adapters
}

// secrets are the headers that make an answer somebody's own.
var secrets = []string{"Authorization", "Cookie", "Proxy-Authorization"}

func secret(c *enmesh.Call) bool {
	for _, name := range secrets {
		if has(c, name) {
			return true
		}
	}
	return false
}

func has(c *enmesh.Call, name string) bool { return c.Header != nil && len(c.Header.Values(name)) > 0 }

func joined(c *enmesh.Call, name string) string {
	if c.Header == nil {
		return ""
	}
	return strings.Join(c.Header.Values(name), "\x00")
}

// varied is a header of the request that the answer depends on, and what it said.
type varied struct{ name, value string }

// storable reports whether an answer may be kept, and what it depends on.
func storable(c *enmesh.Call) (vary []varied, ok bool) {
	h := c.Answer.Header
	if h == nil {
		return nil, true
	}
	if len(h.Values("Set-Cookie")) > 0 {
		return nil, false
	}
	for _, v := range h.Values("Cache-Control") {
		v = strings.ToLower(v)
		if strings.Contains(v, "no-store") || strings.Contains(v, "private") {
			return nil, false
		}
	}
	for _, v := range h.Values("Vary") {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name == "*" {
				return nil, false
			} else if name != "" {
				vary = append(vary, varied{name, joined(c, name)})
			}
		}
	}
	return vary, true
}

// suits reports whether the request of c says what the answer depends on.
func (e *entry) suits(c *enmesh.Call) bool {
	for _, v := range e.vary {
		if joined(c, v.name) != v.value {
			return false
		}
	}
	return true
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/reserved"
)

// WithStrippedHeaders has more headers taken off requests before a policy or a handler
// can read them, in the header and in trailers: those in which something inside says who
// calls, such as the claims of a verified token. Names are compared without regard to case,
// and "_" is "-".
//
// Always taken off are headers that a proxy may have set and anybody can write:
// X-Forwarded-Client-Cert, Client-Cert, X-Envoy-* (but for the attempt's number, the
// caller's deadline and faults to inject), L5d-*, X-Istio-*, X-Jwt-Payload, X-Original-*,
// X-Rewrite-Url, X-Forwarded-Prefix, -Uri, -Path and -Method, X-Http-Method-Override, and
// Host where HTTP/2 has it as a header. So are names with "_" (see [KeepUnderscores]).
// Policies that know a caller ask Call.Source, which is what the connection says.
func WithStrippedHeaders(names ...string) ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.stripped = append(slices.Clone(cfg.stripped), names...) })
}

// TrustHeadersOf names the peers whose headers are kept: a gateway that is known by its
// identity. f is called for the requests that have a header to be taken off; it must not
// decide by what they say. The default trusts nobody.
func TrustHeadersOf(f func(*enmesh.Peer) bool) ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.trusted = f })
}

// KeepUnderscores keeps headers whose name has a "_". Without it they are taken off, as
// nginx does: what reads headers as CGI does, and many frameworks do, takes X_Role for X-Role,
// which a policy has not seen.
func KeepUnderscores() ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.underscores = true })
}

// stripper knows which headers are taken off.
type stripper struct {
	names       *reserved.Names
	underscores bool // are kept
}

func (s *stripper) takes(key string) bool {
	return s.names.Has(key) || !s.underscores && strings.IndexByte(key, '_') >= 0
}

// any reports whether there is something in m to be taken off.
func (s *stripper) any(m http.Header) bool {
	for key := range m {
		if s.takes(key) {
			return true
		}
	}
	return false
}

// copied is what is left of m.
func (s *stripper) copied(m http.Header) http.Header {
	out := make(http.Header, len(m))
	for key, values := range m {
		if !s.takes(key) {
			out[key] = values
		}
	}
	return out
}

// strip gives the call the header without what the caller has no say in. The server's own
// map stays as it is.
func (x *served) strip() {
	r, s := x.in, &x.h.strip
	if r.Trailer == nil && !s.any(r.Header) {
		return
	}
	if f := x.h.cfg.trusted; f != nil && f(x.k.Call.Source) {
		return
	}
	if s.any(r.Header) {
		x.header.m, x.header.owned = s.copied(r.Header), true
	}
	if r.Trailer != nil {
		x.trailers = true
	}
}

// trailers is a request's body with trailers behind it: when it has been read to its end,
// the handler's request gets what is left of them.
type trailers struct {
	io.ReadCloser
	strip    *stripper
	from, to http.Header // the server's, and the handler's
}

// sift has out's trailers sifted.
func (s *stripper) sift(out *http.Request) {
	t := &trailers{ReadCloser: out.Body, strip: s, from: out.Trailer, to: s.copied(out.Trailer)}
	out.Trailer = t.to
	if out.Body != nil && out.Body != http.NoBody {
		out.Body = t
	}
}

func (t *trailers) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err == io.EOF {
		for key, values := range t.from {
			if !t.strip.takes(key) {
				t.to[key] = values
			}
		}
	}
	return n, err
}

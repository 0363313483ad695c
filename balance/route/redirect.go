// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/rawpath"
)

// PortRule says what becomes of the port in a redirect that names none.
type PortRule uint8

// The rules.
const (
	KeepPort     PortRule = iota // the authority keeps its own
	ProtocolPort                 // the scheme's default: 80, 443
	RequestPort                  // the one that the call went to
)

// Redirect answers calls with another address to go to (Istio's HTTPRedirect). What
// is not set stays as it was in the call; the query stays too, unless URI or
// PrefixRewrite brings one. A port that is the default of the new scheme is left out,
// and so is the old scheme's when the scheme changes.
//
// A gRPC call has no place for a redirect: it fails with UNKNOWN, and the text says
// where it would have led.
type Redirect struct {
	URI           string   // the whole path, whatever matched
	PrefixRewrite string   // instead of URI: takes the place of the prefix that matched
	Authority     string   // host, or host:port
	Port          uint16   // 0: DerivePort says
	DerivePort    PortRule // the zero value keeps the authority's port
	Scheme        string   // "http" or "https"; "": the call's
	Code          int      // 301, 302, 303, 307 or 308; 0 is 301
}

// Middleware makes the redirects of calls that m, a compiled Match or nil, takes;
// edits, Istio's headers.response, are made to each answer. It stands in the place of
// retry and all that is below, and fails on values that are not allowed.
func (r Redirect) Middleware(m *Match, edits Ops) (enmesh.Middleware, error) {
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("route: redirect: %w", err)
	}
	if r.Code == 0 {
		r.Code = 301
	}
	target, made := r.target(m), newEdits(edits)
	return func(enmesh.Next) enmesh.Next {
		return func(_ context.Context, c *enmesh.Call) error {
			location := r.origin(c) + target(c)
			if c.Protocol == enmesh.GRPC {
				return refusal(enmesh.Unknown, r.Code, "redirect to "+location+", which gRPC does not follow")
			}
			header := replyHeader{"Location": {location}}
			made.apply(c, header)
			return c.SetReply(&enmesh.Reply{Status: r.Code, Header: header}, nil)
		}
	}, nil
}

func (r Redirect) validate() error {
	switch r.Code {
	case 0, 301, 302, 303, 307, 308:
	default:
		return fmt.Errorf("%d is no status of a redirect: 301, 302, 303, 307 and 308 are", r.Code)
	}
	switch {
	case r.URI != "" && r.PrefixRewrite != "":
		return errors.New("URI and PrefixRewrite exclude one another")
	case r.Scheme != "" && r.Scheme != "http" && r.Scheme != "https":
		return fmt.Errorf("%q is no scheme: http and https are", r.Scheme)
	case r == Redirect{Code: r.Code}:
		return errors.New("it says nothing about where to")
	}
	return nil
}

// target makes the path and query of the new address, escaped.
func (r Redirect) target(m *Match) func(c *enmesh.Call) string {
	switch {
	case r.URI != "":
		path, query, own := strings.Cut(rooted(r.URI), "?")
		path, query = printable(path), question(query)
		return func(c *enmesh.Call) string {
			if own {
				return path + query
			}
			return path + question(c.Query)
		}
	case r.PrefixRewrite != "":
		edit := replacing(m, unescapedPath(r.PrefixRewrite))
		return func(c *enmesh.Call) string { return written(c, edit(c.Path)) + question(c.Query) }
	}
	return func(c *enmesh.Call) string { return written(c, rooted(c.Path)) + question(c.Query) }
}

// origin is the scheme and authority of the new address.
func (r Redirect) origin(c *enmesh.Call) string {
	was := c.Scheme
	if was == "" {
		was = "http"
	}
	scheme := r.Scheme
	if scheme == "" {
		scheme = was
	}
	return scheme + "://" + printable(r.host(c, was, scheme))
}

// written is a path as a URL has it, what it has in common with the call's as the
// caller wrote it.
func written(c *enmesh.Call, path string) string {
	was, raw := c.Written()
	return (&url.URL{Path: path, RawPath: rawpath.Keep(was, raw, path)}).EscapedPath()
}

// question is a raw query as a URL has it, with its mark.
func question(query string) string {
	if query == "" {
		return ""
	}
	return "?" + printable(query)
}

// printable is s with what must not stand in a header, or would end a URL's part, in
// escapes: it may be the caller's own.
func printable(s string) string {
	strange := func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' || c == '\\' }
	if strings.IndexFunc(s, strange) < 0 {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; strange(rune(c)) {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// host is the authority of the new address.
func (r Redirect) host(c *enmesh.Call, was, scheme string) string {
	authority := r.Authority
	if authority == "" {
		authority = c.Authority
	}
	name, port := splitHost(authority)
	switch {
	case r.Port != 0:
		port = strconv.Itoa(int(r.Port))
	case r.DerivePort == ProtocolPort:
		port = ""
	case r.DerivePort == RequestPort:
		port = requestPort(c, was)
	case r.Authority == "" && was != scheme && port == defaultPort(was):
		port = ""
	}
	if port == "" || port == defaultPort(scheme) {
		return name
	}
	return name + ":" + port
}

// requestPort is the port that a call went to.
func requestPort(c *enmesh.Call, scheme string) string {
	if c.Port != 0 {
		return strconv.Itoa(int(c.Port))
	}
	if _, port := splitHost(c.Authority); port != "" {
		return port
	}
	return defaultPort(scheme)
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// splitHost takes a port off an authority; an IPv6 address keeps its brackets.
func splitHost(authority string) (name, port string) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.IndexByte(authority[i:], ']') >= 0 {
		return authority, ""
	}
	if strings.IndexByte(authority, ':') != i && authority[i-1] != ']' { // a bare IPv6 address
		return authority, ""
	}
	return authority[:i], authority[i+1:]
}

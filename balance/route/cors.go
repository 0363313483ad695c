// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
)

// CORS says which pages of other origins may use a service from a browser (Istio's
// CorsPolicy, as Envoy's filter enforces it).
//
// A preflight is a call with the method OPTIONS, an Origin and an
// Access-Control-Request-Method. One from an origin that may is answered with 200, and
// the call goes no further; one from another goes on like any call, unless
// IgnoreUnmatched is set. The answer of every other call from an origin that may is marked:
// it has that origin in Access-Control-Allow-Origin, whatever the service, or a policy that
// refuses the call, says there. What the service says to other origins stays as it is.
// Calls without an Origin, with several, and gRPC's go on as if there were no CORS.
//
// CORS keeps nobody out: it tells browsers what to let pages see. The origin is copied from
// the request, so that an answer which a cache keeps for several origins needs a Vary, which
// is the service's to write.
type CORS struct {
	// Origins are those that may, as browsers write them: "https://example.com", without a
	// slash at the end. One that holds for the text "*" holds for every origin.
	Origins []StringMatch
	Methods []string // that pages may use; "*" alone: the one that is asked for; none: not said
	Headers []string // that pages may send; "*" alone: those that are asked for; none: not said
	Expose  []string // headers of answers that pages may read; none: not said
	// MaxAge is how long a browser may keep the answer to a preflight: whole seconds. 0 is
	// not said, which is 5 s by the Fetch standard.
	MaxAge time.Duration
	// Credentials lets pages send cookies and the like, and read what they get for them.
	Credentials bool
	// IgnoreUnmatched answers the preflights of other origins with a bare 200, which a browser
	// takes for a no, in place of sending them on.
	IgnoreUnmatched bool
}

// Names of headers, as net/http spells them.
const (
	originHeader     = "Origin"
	askMethodHeader  = "Access-Control-Request-Method"
	askHeadersHeader = "Access-Control-Request-Headers"

	allowOriginHeader      = "Access-Control-Allow-Origin"
	allowCredentialsHeader = "Access-Control-Allow-Credentials"
	allowMethodsHeader     = "Access-Control-Allow-Methods"
	allowHeadersHeader     = "Access-Control-Allow-Headers"
	exposeHeader           = "Access-Control-Expose-Headers"
	maxAgeHeader           = "Access-Control-Max-Age"
)

// ignored is what preflights get of other origins.
var ignored = &enmesh.Reply{Status: http.StatusOK}

// Middleware acts on calls from browsers. It stands outside of all that may refuse a call,
// for a preflight has no credentials and pages are to see why they are refused, and of header
// edits. It fails on an expression that is none, on what is no name of a method or header, and
// on a MaxAge that is negative or no whole number of seconds.
func (p CORS) Middleware() (enmesh.Middleware, error) {
	k, err := p.compile()
	if err != nil {
		return nil, err
	}
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			origin := originOf(c)
			if origin == "" {
				return next(ctx, c)
			}
			may := k.allows(origin)
			if method := askedFor(c); method != "" {
				switch {
				case may:
					return c.SetReply(k.preflight(c, origin, method), nil)
				case k.ignoreUnmatched:
					return c.SetReply(ignored, nil)
				}
			}
			if may {
				c.OnHead(func(h enmesh.Header) { k.mark(h, origin) })
			}
			return next(ctx, c)
		}
	}, nil
}

// originOf is the origin of the page that makes a call; "": no page does.
func originOf(c *enmesh.Call) string {
	if c.Protocol != enmesh.HTTP || c.Header == nil {
		return ""
	}
	if origins := c.Header.Values(originHeader); len(origins) == 1 {
		return origins[0]
	}
	return ""
}

// askedFor is the method that a preflight asks for; "": the call is none.
func askedFor(c *enmesh.Call) string {
	if c.Method != http.MethodOptions {
		return ""
	}
	return c.Header.Get(askMethodHeader)
}

// cors is a CORS in the form that calls need.
type cors struct {
	origins                          []StringMatch
	everyone                         bool
	methods, headers, expose, maxAge string
	credentials, ignoreUnmatched     bool
}

func (p CORS) compile() (*cors, error) {
	k := &cors{
		origins: slices.Clone(p.Origins), credentials: p.Credentials, ignoreUnmatched: p.IgnoreUnmatched,
		methods: strings.Join(p.Methods, ","), headers: strings.Join(p.Headers, ","), expose: strings.Join(p.Expose, ","),
	}
	for i := range k.origins {
		if err := k.origins[i].compile(); err != nil {
			return nil, fmt.Errorf("route: cors: origin %d: %w", i, err)
		}
		k.everyone = k.everyone || k.origins[i].matches("*")
	}
	for _, name := range slices.Concat(p.Methods, p.Headers, p.Expose) {
		if !isToken(name) {
			return nil, fmt.Errorf("route: cors: %q is no name of a method or a header", name)
		}
	}
	switch {
	case p.MaxAge < 0 || p.MaxAge%time.Second != 0:
		return nil, errors.New("route: cors: MaxAge " + p.MaxAge.String() + " is no whole number of seconds from 0 on")
	case p.MaxAge > 0:
		k.maxAge = strconv.FormatInt(int64(p.MaxAge/time.Second), 10)
	}
	return k, nil
}

// isToken reports whether name is a token (RFC 9110, section 5.6.2), as methods and the
// names of headers are.
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// Everyone reports whether pages of every origin may.
func (p CORS) Everyone() bool {
	k, err := p.compile()
	return err == nil && k.everyone
}

func (k *cors) allows(origin string) bool {
	return k.everyone || slices.ContainsFunc(k.origins, func(m StringMatch) bool { return m.matches(origin) })
}

// preflight is the answer to one from an origin that may.
func (k *cors) preflight(c *enmesh.Call, origin, method string) *enmesh.Reply {
	h := replyHeader{allowOriginHeader: {origin}}
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value}
		}
	}
	if k.credentials {
		set(allowCredentialsHeader, "true")
	}
	set(allowMethodsHeader, orAsked(k.methods, method))
	set(allowHeadersHeader, orAsked(k.headers, strings.Join(c.Header.Values(askHeadersHeader), ",")))
	set(maxAgeHeader, k.maxAge)
	return &enmesh.Reply{Status: http.StatusOK, Header: h}
}

// orAsked is a list, or what is asked for where it is "*".
func orAsked(list, asked string) string {
	if list == "*" {
		return asked
	}
	return list
}

// mark tells the browser that a page of origin may see the answer.
func (k *cors) mark(h enmesh.Header, origin string) {
	h.Set(allowOriginHeader, origin)
	if k.credentials {
		h.Set(allowCredentialsHeader, "true")
	}
	if k.expose != "" {
		h.Set(exposeHeader, k.expose)
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
)

// CookieConfig is a cookie that says where a call belongs: Istio's httpCookie. It is
// comparable.
type CookieConfig struct {
	// Name is the cookie's name, a token as in RFC 6265. It is required.
	Name string
	// Generate makes a cookie for a call that has none: Istio has this wherever ttl is set.
	// Without it, such a call gets no key, and what follows says nothing.
	Generate bool
	// Path is the cookie's path. "": none is sent, and browsers take the request's.
	Path string
	// TTL is the lifetime of a generated cookie, in seconds, rounded up. 0 is a session
	// cookie, as in Istio. Negative is refused.
	TTL time.Duration
	// Attributes are added to a generated cookie, such as "SameSite=Strict; Secure"; see
	// [Attributes]. HttpOnly is always there.
	Attributes string
}

// Attribute is an attribute of a generated cookie. An empty value is a name alone.
type Attribute struct{ Name, Value string }

// Attributes is a list as CookieConfig has it.
func Attributes(list ...Attribute) string {
	var b strings.Builder
	for _, a := range list {
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(a.Name)
		if a.Value != "" {
			b.WriteString("=" + a.Value)
		}
	}
	return b.String()
}

// Validate refuses a Name that no cookie can have, a negative TTL, and a Path or
// Attributes with characters that would end them or the header.
func (cfg CookieConfig) Validate() error {
	switch {
	case !isToken(cfg.Name):
		return fmt.Errorf("affinity: cookie name %q is not a token", cfg.Name)
	case cfg.TTL < 0:
		return fmt.Errorf("affinity: TTL %v of cookie %s is negative", cfg.TTL, cfg.Name)
	case !isPlain(cfg.Path) || strings.Contains(cfg.Path, ";"):
		return fmt.Errorf("affinity: path %q of cookie %s has a character that no path can have", cfg.Path, cfg.Name)
	case !isPlain(cfg.Attributes):
		return fmt.Errorf("affinity: attributes %q of cookie %s have a character that no header can have", cfg.Attributes, cfg.Name)
	}
	return nil
}

// isToken: RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) {
			return false
		}
	}
	return s != ""
}

// isPlain: printable ASCII.
func isPlain(s string) bool {
	for _, r := range s {
		if r < ' ' || r >= 0x7f {
			return false
		}
	}
	return true
}

// Cookie takes the key from a cookie of the request, or in gRPC from the metadata "cookie".
//
// With Generate, a call without the cookie, or with an empty one, gets a random value, its
// key at once, and the cookie in its answer, "set-cookie" in gRPC's metadata: so the
// first call goes where all that carry the cookie will go (of first calls made at once,
// each gets one, and the last to be stored holds). The answer may say anything, a
// failure too; a call that a policy answers, or that ends without an answer, brings no
// cookie. Whoever made the call keeps it: a browser behind a proxy, an http.Client with
// a Jar. The far side does not see it with the call that made it. In gRPC the answer's
// metadata is there for unary calls whose caller asks with grpc.Header, or if the
// client was made with meshgrpc.WithAnswerHeaders.
//
// The error is the configuration's.
func Cookie(cfg CookieConfig) (enmesh.Middleware, error) { return cookieFrom(cfg, rand.Uint64) }

func cookieFrom(cfg CookieConfig, random func() uint64) (enmesh.Middleware, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if !cfg.Generate {
		return keyed(func(c *enmesh.Call) uint64 { return present(valueIn(c, cfg.Name)) }), nil
	}
	suffix := cfg.suffix()
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if value := valueIn(c, cfg.Name); value != "" {
				c.Key = KeyOf(value)
				return next(ctx, c)
			}
			value := generated(random)
			c.Key = KeyOf(value)
			err := next(ctx, c)
			if c.Answer.Header != nil {
				c.Answer.Header.Add("Set-Cookie", cfg.Name+"="+value+suffix)
			}
			return err
		}
	}, nil
}

// generated is a value of 16 digits.
func generated(random func() uint64) string {
	s := strconv.FormatUint(random(), 16)
	return "0000000000000000"[len(s):] + s
}

// suffix is what follows the value of a generated cookie.
func (cfg CookieConfig) suffix() string {
	var b strings.Builder
	if cfg.TTL > 0 {
		seconds := int64(cfg.TTL / time.Second)
		if cfg.TTL%time.Second > 0 {
			seconds++
		}
		b.WriteString("; Max-Age=" + strconv.FormatInt(seconds, 10))
	}
	if cfg.Path != "" {
		b.WriteString("; Path=" + cfg.Path)
	}
	if extra := strings.Trim(cfg.Attributes, "; "); extra != "" {
		b.WriteString("; " + extra)
	}
	if !hasAttribute(cfg.Attributes, "HttpOnly") {
		b.WriteString("; HttpOnly")
	}
	return b.String()
}

func hasAttribute(attributes, name string) bool {
	for a := range strings.SplitSeq(attributes, ";") {
		key, _, _ := strings.Cut(a, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return true
		}
	}
	return false
}

// valueIn is the value of a call's cookie; "": it has none, or an empty one.
func valueIn(c *enmesh.Call, name string) string {
	if c.Header == nil {
		return ""
	}
	for _, line := range c.Header.Values("Cookie") {
		if value, ok := cookieValue(line, name); ok {
			return value
		}
	}
	return ""
}

// cookieValue finds a cookie in a header line (RFC 6265, section 5.4), the first of its
// name, without quotes around its value.
func cookieValue(line, name string) (value string, ok bool) {
	for line != "" {
		var pair string
		pair, line, _ = strings.Cut(line, ";")
		key, value, ok := strings.Cut(strings.Trim(pair, " \t\r\n"), "=")
		if !ok || key != name {
			continue
		}
		if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		return value, true
	}
	return "", false
}

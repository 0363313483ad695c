// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// headers writes how a limit stands into the answers of a server.
type headers struct {
	all    bool
	envoy  bool
	name   string // quoted
	policy string
	limit  string // X-RateLimit-Limit
	latest atomic.Pointer[standing]
}

// standing is a RateLimit header that was written: most refusals have the same one.
type standing struct {
	left, seconds int64
	text          string
}

// newHeaders is nil where terms want none.
func newHeaders(terms Terms, q quota) *headers {
	if terms.Headers == Never {
		return nil
	}
	units, window := strconv.Itoa(q.units), strconv.FormatInt(max(1, seconds(q.window)), 10)
	h := &headers{all: terms.Headers == Always, envoy: terms.Envoy, name: `"` + terms.Name + `"`}
	h.policy = h.name + ";q=" + units + ";w=" + window
	h.limit = units + ", " + units + ";w=" + window
	if terms.Name != "default" {
		h.limit += ";name=" + h.name
	}
	return h
}

// wanted reports whether the call has an answer that headers may be written to: a
// client's has none while the call has gone nowhere.
func (h *headers) wanted(c *enmesh.Call) bool {
	return h != nil && c.Side == enmesh.Server && c.Answer.Header != nil
}

// always is wanted for a call that was let through.
func (h *headers) always(c *enmesh.Call) bool { return h != nil && h.all && h.wanted(c) }

// write adds the headers. A limit that stands inside another adds its own to the
// other's, as lists; Envoy's, which have one value each, are those of the innermost.
func (h *headers) write(c *enmesh.Call, left int, reset time.Duration) {
	to, s := c.Answer.Header, h.standing(int64(max(left, 0)), seconds(reset))
	to.Add("Ratelimit-Policy", h.policy)
	to.Add("Ratelimit", s.text)
	if h.envoy {
		to.Set("X-Ratelimit-Limit", h.limit)
		to.Set("X-Ratelimit-Remaining", strconv.FormatInt(s.left, 10))
		to.Set("X-Ratelimit-Reset", strconv.FormatInt(s.seconds, 10))
	}
}

func (h *headers) standing(left, secs int64) *standing {
	s := h.latest.Load()
	if s == nil || s.left != left || s.seconds != secs {
		s = &standing{left, secs, h.name + ";r=" + strconv.FormatInt(left, 10) + ";t=" + strconv.FormatInt(secs, 10)}
		h.latest.Store(s)
	}
	return s
}

// seconds is d in whole seconds, rounded up.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second != 0 {
		s++
	}
	return s
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/hashicorp/consul/api"
)

// Reasons of an [Error], which metrics can be labelled with.
const (
	Unreachable = "unreachable" // no connection, or one that broke
	Timeout     = "timeout"     // no answer in time
	Status      = "status"      // an HTTP status that is no answer
	Denied      = "denied"      // the token is unknown or may not
	Anonymous   = "anonymous"   // no token, where without one everything looks empty
	Filtered    = "filtered"    // everything was hidden from this token
	Leaderless  = "leaderless"  // an empty answer of a server that knows of no leader
	Garbage     = "garbage"     // the answer is not what Consul sends
	TooLarge    = "too large"   // the answer is longer than Config.MaxBody
	Invalid     = "invalid"     // over half of the instances cannot be used
	Missing     = "missing"     // there is no key in a folder
)

// ErrNoToken says that there is no token although the agent's policy is to deny:
// all services would look empty.
var ErrNoToken = errors.New("no ACL token is configured, and the agent's default policy is deny: every service would look " +
	"empty; set Config.Token or Config.TokenFile, or give the anonymous token a policy")

// Error is why a query failed. What was known before it still holds.
type Error struct {
	Reason     string // one of the constants
	Service    string // "" when it is about the agent as a whole, or a folder
	Folder     string // of keys; "" when it is not about one
	Datacenter string
	Err        error
}

// Error is "consul: service "reviews" in dc1: unreachable: ...".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("consul: ")
	what, name := "service", e.Service
	if e.Folder != "" {
		what, name = "folder", e.Folder
	}
	if name != "" {
		fmt.Fprintf(&b, "%s %q", what, name)
		if e.Datacenter != "" {
			b.WriteString(" in " + e.Datacenter)
		}
		b.WriteString(": ")
	}
	return b.String() + e.Reason + ": " + e.Err.Error()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// reasonOf is the reason of an [Error] in err's tree, or "".
func reasonOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// classify makes an *Error of what the client returned.
func classify(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	if code, body := statusOf(err); code != 0 {
		return &Error{Reason: reasonOfStatus(code, body), Err: fmt.Errorf("the agent answers %d: %s", code, brief(body))}
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return &Error{Reason: Timeout, Err: errors.New("the agent gave no answer in time")}
	}
	return &Error{Reason: Unreachable, Err: err}
}

// statusOf is the HTTP status in err and its body, or 0.
func statusOf(err error) (code int, body string) {
	var s api.StatusError
	if errors.As(err, &s) {
		return s.Code, s.Body
	}
	return 0, ""
}

func reasonOfStatus(code int, body string) string {
	if code == http.StatusForbidden || code == http.StatusUnauthorized || strings.Contains(body, "ACL not found") {
		return Denied
	}
	return Status
}

// brief is the first line of s, cut to what fits in a log.
func brief(s string) string {
	const most = 200
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

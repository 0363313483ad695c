// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"errors"
	"net/http"

	"github.com/enmesh-go/enmesh"
)

// errUnsendable is about what the caller or a policy wrote.
var errUnsendable = &enmesh.Error{
	Code: enmesh.InvalidArgument, Outcome: enmesh.Neutral, Unsent: true, Status: http.StatusBadRequest, Policy: "meshhttp",
	Err: errors.New("the request's host or query has control characters"),
}

// sendable reports whether c's authority and query can be written. net/http sees to the
// method, the header and the path; but over HTTP/2 it writes any query, and over HTTP/1.1
// it leaves out a host that it cannot write.
func sendable(c *enmesh.Call) bool {
	return printed(c.Authority, ' ') && printed(c.Query, ' '-1)
}

// printed reports whether s has neither DEL nor anything up to most.
func printed(s string, most byte) bool {
	for i := range len(s) {
		if s[i] <= most || s[i] == 0x7f {
			return false
		}
	}
	return true
}

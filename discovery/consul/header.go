// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// header is what the headers of an answer say.
type header struct {
	index      uint64        // 0: missing, zero, no number or beyond 63 bits
	contact    time.Duration // since the answering server heard from the leader
	leaderless bool          // it says that it knows no leader
	deny       bool          // the default ACL policy is to deny
	filtered   bool          // something was hidden from this token
}

// readHeader reads headers as far as they can be read; what cannot is as if it was
// missing.
//
// An agent that answers from its stream of changes says of no leader that it knows
// it: there the word means nothing.
func readHeader(h http.Header) header {
	var out header
	if n, err := strconv.ParseUint(h.Get("X-Consul-Index"), 10, 64); err == nil && n <= math.MaxInt64 {
		out.index = n
	}
	const most = 1 << 40 // milliseconds; what is more is nonsense
	if n, err := strconv.ParseUint(h.Get("X-Consul-LastContact"), 10, 64); err == nil && n <= most {
		out.contact = time.Duration(n) * time.Millisecond
	}
	streaming := h.Get("X-Consul-Query-Backend") == "streaming"
	out.leaderless = h.Get("X-Consul-KnownLeader") == "false" && !streaming
	out.deny = h.Get("X-Consul-Default-ACL-Policy") == "deny"
	out.filtered = h.Get("X-Consul-Results-Filtered-By-ACLs") == "true"
	return out
}

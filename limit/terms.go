// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"

	"github.com/enmesh-go/enmesh"
)

// Terms is what a limit of any algorithm takes for a call, and how it says no. The
// zero Terms takes one unit for a call and refuses with 429 and RateLimit headers. It is
// comparable.
type Terms struct {
	// Cost is how many units a call takes. 0 is 1. Negative, and more than the limit
	// could ever give at once, is refused.
	Cost int
	// CostBy, when set, says for each call how many units it takes, and Cost is not used.
	// What it finds to cost 0 or less goes free; what costs more than the limit could
	// ever give at once is refused and told not to come again; a leaky bucket takes it.
	CostBy Coster
	// Status is the HTTP status of a refusal. 0 is 429; else it is within 400 to 599. In
	// gRPC a refusal is RESOURCE_EXHAUSTED whatever the Status.
	Status int
	// Name is what the RateLimit headers call the limit. "" is "default". It is printable
	// ASCII, without quotes and backslashes.
	Name string
	// Headers says which of a server's answers carry RateLimit headers. The zero value is
	// OnRefusal.
	Headers Headers
	// Envoy adds the headers X-RateLimit-Limit, -Remaining and -Reset, as Envoy's rate
	// limit filters write them, where Headers has the others.
	Envoy bool
}

// Headers says which of a server's answers carry the headers RateLimit-Policy and
// RateLimit (draft-ietf-httpapi-ratelimit-headers-11), over both protocols.
type Headers uint8

// The answers that carry headers.
const (
	OnRefusal Headers = iota // refusals alone
	Always                   // every answer; it costs a few allocations a call
	Never
)

// A Coster says how many units of a limit a call takes. Cost is called on the call's
// goroutine, before the call has gone anywhere.
type Coster interface {
	Cost(c *enmesh.Call) int
}

// CostOf is f as a Coster. Each call of CostOf makes one that equals no other.
func CostOf(f func(*enmesh.Call) int) Coster { return &costFunc{f} }

type costFunc struct{ f func(*enmesh.Call) int }

// Cost calls f.
func (f *costFunc) Cost(c *enmesh.Call) int { return f.f(c) }

// withDefaults fills in what is not given, and refuses what makes no sense for a limit
// that can give at most units at once.
func (terms Terms) withDefaults(units int) (Terms, error) {
	if terms.Cost == 0 {
		terms.Cost = 1
	}
	if terms.Status == 0 {
		terms.Status = 429
	}
	if terms.Name == "" {
		terms.Name = "default"
	}
	switch {
	case terms.Cost < 0:
		return terms, fmt.Errorf("limit: Cost %d is negative", terms.Cost)
	case terms.Cost > units && terms.CostBy == nil:
		return terms, fmt.Errorf("limit: Cost %d is more than the %d that go at once", terms.Cost, units)
	case terms.Status < 400 || terms.Status > 599:
		return terms, fmt.Errorf("limit: Status %d is not within 400 to 599", terms.Status)
	case terms.Headers > Never:
		return terms, fmt.Errorf("limit: Headers %d is none of OnRefusal, Always and Never", terms.Headers)
	case !plain(terms.Name):
		return terms, fmt.Errorf("limit: Name %q is not printable ASCII without quotes and backslashes", terms.Name)
	}
	return terms, nil
}

// cost is what the call takes.
func (terms *Terms) cost(c *enmesh.Call) int {
	if terms.CostBy == nil {
		return terms.Cost
	}
	return terms.CostBy.Cost(c)
}

// plain reports whether s can stand between quotes in a header.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}

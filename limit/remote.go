// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"github.com/enmesh-go/enmesh"
)

// Remote is a limit that is counted outside of this process. One that is also an
// io.Closer is closed when it is no longer used.
type Remote interface {
	enmesh.Gate
	// Middleware is the limit for a route's chain.
	Middleware() enmesh.Middleware
}

// Sharer makes limits that the instances of a fleet share, where policy asks for them and
// the program says who counts. Package redislimit has one.
type Sharer interface {
	Share(cfg SharedConfig) (Remote, error)
}

// SharedConfig is a token bucket of a whole fleet. It is comparable.
type SharedConfig struct {
	// Name says which limit this is: all of one name are one limit, in whatever process.
	Name string
	// Rate is how many calls a second may go in the long run, in the whole fleet.
	Rate float64
	// Burst is how many may go at once after a pause. 0 is a second's worth, at least 1.
	Burst int
	// By gives each key a limit of its own. nil is one limit for all calls.
	By Key
	// MaxKeys is how many keys a process remembers. 0 leaves it to the Sharer.
	MaxKeys int
	// Status, Headers and Envoy are what [Terms] has by these names. Always is refused:
	// nobody knows at each call what is left in a fleet.
	Status  int
	Headers Headers
	Envoy   bool
	// Shadow: nothing is refused, no call waits, and no header is written. What would have
	// been refused the Recorder is told of, by the name "limit".
	Shadow bool
	// Recorder is told of every call that is decided without the word of whoever counts.
	// It may be nil.
	Recorder enmesh.Recorder
}

// Service makes limits that a rate limit service decides, where policy asks for them and
// the program says which service it is. Package rls has one, for Envoy's.
type Service interface {
	Ask(cfg ServiceConfig) (Remote, error)
}

// ServiceConfig is what a rate limit service is asked about calls.
type ServiceConfig struct {
	// Domain is the part of the service's configuration that holds the limits.
	Domain string
	// Descriptors are what the service is told of a call. One of which a call lacks an
	// entry is left out, and a call for which none is left is not asked about.
	Descriptors [][]ServiceEntry
	// Deny refuses calls while the service does not answer. The default lets them through.
	Deny bool
	// Cost is what a call counts for. 0 is 1.
	Cost uint32
	// Status is the HTTP status of what is limited. 0 is 429.
	Status int
	// Envoy adds the headers X-RateLimit-Limit, -Remaining and -Reset to HTTP answers.
	Envoy bool
	// Shadow is as in [SharedConfig].
	Shadow bool
	// Recorder is told of every call that is decided without the service's word. It may be
	// nil.
	Recorder enmesh.Recorder
}

// ServiceEntry is one entry of a descriptor: its key, and whence its value.
type ServiceEntry struct {
	Key      string
	Value    string // a constant, where By is nil
	By       Key
	Optional bool // a call without it has the descriptor all the same
}

// Of is the entry's value of a call, and whether the call has it.
func (e ServiceEntry) Of(c *enmesh.Call) (value string, ok bool) {
	if e.By == nil {
		return e.Value, true
	}
	return TextOf(e.By, c)
}

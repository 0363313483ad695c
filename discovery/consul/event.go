// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

// EventKind says what an [Event] is about.
type EventKind string

// What a Registry tells. The first group is about watches, the second about
// registrations, the last about both.
const (
	Failing    EventKind = "failing"    // a watch fails; what it last yielded stays. Told once per reason
	Recovered  EventKind = "recovered"  // and works again
	Lagging    EventKind = "lagging"    // the answering server has not heard of the leader for over 30 s
	Rejected   EventKind = "rejected"   // instances cannot be used and were left out
	BadIndex   EventKind = "bad index"  // an index went backwards or is of no use
	Restricted EventKind = "restricted" // the token does not let all instances be seen

	Registered   EventKind = "registered"
	Lost         EventKind = "lost"         // Consul does not know the registration any more, or another; it is made again
	Unregistered EventKind = "unregistered" // registering or renewing fails, and is tried again
	Withdrawn    EventKind = "withdrawn"

	TokenUnread EventKind = "token unread" // the token file cannot be read; the last token stays
)

// Event is something that happened, for logs and alarms.
type Event struct {
	Kind       EventKind
	Service    string
	Datacenter string // of a watch, where Config names datacenters
	ID         string // of a registration, as Consul knows it
	Err        error  // nil where nothing is wrong
	Detail     string // more, in words
}

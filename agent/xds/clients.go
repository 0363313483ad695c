// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/anypb"
)

// State is how far a client is with a resource.
type State uint8

// The states.
const (
	Requested State = iota // asked for; the catalog has not spoken of it
	Missing                // there is none
	Denied                 // the client may not see it
	Pending                // known, to be sent
	Sent                   // sent, not answered
	Accepted               // the client took it (ACK)
	Rejected               // the client refused the latest version (NACK)
)

var stateNames = []string{"requested", "missing", "denied", "pending", "sent", "accepted", "rejected"}

// String is the state's name.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// MarshalText is String.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Client is one stream at one moment.
type Client struct {
	Node      *Node
	Since     time.Time // when the stream began
	Resources []Status  // by kind, then name
}

// Status is what a client has of one name.
type Status struct {
	Kind    Kind
	Name    string
	State   State
	Latest  string     // version that the catalog has, empty for none
	Version string     // version that the client was sent and did not refuse, empty for none
	Body    *anypb.Any // of Version; shared, not to be changed
	Error   string     // why Latest was rejected, or denied
	Since   time.Time  // of State
}

// Clients are the streams that are open now, by node id, then age.
func (s *Server) Clients() []Client {
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.sessions))
	s.mu.Unlock()
	out := make([]Client, 0, len(open))
	for _, sess := range open {
		out = append(out, sess.snapshot())
	}
	slices.SortFunc(out, func(a, b Client) int {
		return cmp.Or(cmp.Compare(a.Node.ID, b.Node.ID), a.Since.Compare(b.Since))
	})
	return out
}

// Tally is one stream without the lists that a [Client] has.
type Tally struct {
	Node     *Node
	Rejected map[Kind]int // resources whose latest version the client refused; nil: none
}

// Tallies are the streams that are open now, in no order. It costs much less than
// [Server.Clients] where clients have much.
func (s *Server) Tallies() []Tally {
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.sessions))
	s.mu.Unlock()
	out := make([]Tally, 0, len(open))
	for _, sess := range open {
		out = append(out, sess.tally())
	}
	return out
}

// tally is the session as a Tally.
func (s *session) tally() Tally {
	t := Tally{Node: s.node}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, u := range s.subs {
		if u == nil {
			continue
		}
		for _, e := range u.entries {
			if e.odd == nil || e.status().State != Rejected {
				continue
			}
			if t.Rejected == nil {
				t.Rejected = map[Kind]int{}
			}
			t.Rejected[Kind(k)]++
		}
	}
	return t
}

// snapshot is the session as a Client.
func (s *session) snapshot() Client {
	c := Client{Node: s.node, Since: s.since}
	s.mu.Lock()
	for _, u := range s.subs {
		if u == nil {
			continue
		}
		for _, e := range u.entries {
			c.Resources = append(c.Resources, e.status())
		}
	}
	s.mu.Unlock()
	slices.SortFunc(c.Resources, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return c
}

// status is what the client has of e. The session's lock is held.
func (e *entry) status() Status {
	st := Status{Kind: e.sub.kind, Name: e.name.Value(), Latest: e.cur.ver(), Version: e.sent().ver(), Since: time.Unix(int64(e.since), 0)}
	if sent := e.sent(); sent != nil {
		st.Body = sent.body
	}
	switch {
	case e.odd != nil && e.odd.denied != nil:
		st.State, st.Error = Denied, e.odd.denied.Error()
	case e.is&told == 0:
		st.State = Requested
	case e.cur == nil:
		st.State = Missing
	default:
		st.State, st.Error = e.progress()
	}
	return st
}

// progress is how far the client is with the latest version.
func (e *entry) progress() (State, string) {
	if r := e.refusal(e.cur.version); r != nil {
		return Rejected, r.text
	}
	switch e.cur.version {
	case e.acked().ver():
		return Accepted, ""
	case e.sent().ver():
		return Sent, ""
	}
	return Pending, ""
}

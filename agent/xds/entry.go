// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/types/known/anypb"
)

// held is one version of a resource. It is immutable and may be shared; nil is
// none.
type held struct {
	version string
	body    *anypb.Any
}

// ver is the version, empty for none.
func (h *held) ver() string {
	if h == nil {
		return ""
	}
	return h.version
}

// rejection is a version that the client refused.
type rejection struct {
	version, text string
	at            time.Time
}

// keptRejections bounds the rejected versions remembered of one name.
const keptRejections = 8

// entry is what one stream knows of one name. The session's lock guards it.
type entry struct {
	sub  *subscription
	name string
	stop func() // ends the catalog's watch; used by the receiving goroutine only

	named bool // subscribed to by name
	wild  bool // told by the subscription to all
	gone  bool // no longer subscribed to: later news are of no interest
	told  bool // the catalog has spoken
	dirty bool // in the subscription's list of dirty ones
	gen   uint32

	cur      *held       // the catalog's latest; nil: there is none
	sent     *held       // what the client has, or will when it reads what was sent
	acked    *held       // what it last accepted of that
	spare    *held       // what it accepted on an earlier stream or subscription
	rejected []rejection // what it refused, oldest first
	denied   error       // why it may not know
	since    time.Time   // of the present state
}

// refusal is the rejection of a version, nil if there is none.
func (e *entry) refusal(version string) *rejection {
	for i := range e.rejected {
		if e.rejected[i].version == version {
			return &e.rejected[i]
		}
	}
	return nil
}

// wanted is what the client should have: the latest, or, where it refused that,
// what it last accepted.
func (e *entry) wanted() *held {
	if e.cur == nil || e.refusal(e.cur.version) == nil {
		return e.cur
	}
	return e.good()
}

// good is what the client last accepted, now or before.
func (e *entry) good() *held {
	if e.acked != nil {
		return e.acked
	}
	return e.spare
}

// needs says that the client should be sent something of the name. Of routes and
// endpoints nobody can be told that there are none.
func (e *entry) needs() bool {
	w := e.wanted()
	if w == nil {
		return e.sent != nil && e.sub.kind.full()
	}
	return w.ver() != e.sent.ver()
}

// setSent records what the client has now, and keeps the sum of all.
func (e *entry) setSent(h *held) {
	if e.sent != nil {
		e.sub.sum -= digest(e.name, e.sent.version)
	}
	if h != nil {
		e.sub.sum += digest(e.name, h.version)
	}
	e.sent = h
}

// refuse remembers that the client refused h, which it therefore does not have.
func (e *entry) refuse(h *held, text string, now time.Time) {
	if len(e.rejected) == keptRejections {
		e.rejected = slices.Delete(e.rejected, 0, 1)
	}
	e.rejected = append(e.rejected, rejection{h.version, text, now})
	if e.acked.ver() == h.version {
		e.acked = nil
	}
	if e.spare.ver() == h.version {
		e.spare = nil
	}
	e.setSent(e.acked)
	e.since = now
}

// digest is the part that one version of one resource has in the version of a
// response. It is the same in every process, so a restarted agent says the same
// version of the same content.
func digest(name, version string) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(name)
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(version)
	return d.Sum64()
}

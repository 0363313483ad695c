// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"slices"
	"time"
	"unique"

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

// entry is what one stream knows of one name. The session's lock guards it. Many clients
// that ask for much make many entries, so it is small, and names are kept once.
type entry struct {
	sub  *subscription
	name name
	stop func() // ends the catalog's watch; used by the receiving goroutine only

	cur   *held    // the catalog's latest; nil: there is none
	sent  *held    // what the client has, or will when it reads what was sent
	acked *held    // what it last accepted of that
	odd   *trouble // nil: all is well
	since int64    // when the present state began, in nanoseconds of Unix

	gen   uint32
	named bool // subscribed to by name
	wild  bool // told by the subscription to all
	gone  bool // no longer subscribed to: later news are of no interest
	told  bool // the catalog has spoken
	dirty bool // in the subscription's list of dirty ones
}

// name is the name of a resource.
type name = unique.Handle[string]

// trouble is what few entries have.
type trouble struct {
	spare    *held       // what the client accepted on an earlier stream or subscription
	rejected []rejection // what it refused, oldest first
	denied   error       // why it may not know
}

// trouble makes room for what few entries have.
func (e *entry) trouble() *trouble {
	if e.odd == nil {
		e.odd = &trouble{}
	}
	return e.odd
}

// rejected is what the client refused, oldest first.
func (e *entry) rejected() []rejection {
	if e.odd == nil {
		return nil
	}
	return e.odd.rejected
}

// refusal is the rejection of a version, nil if there is none.
func (e *entry) refusal(version string) *rejection {
	list := e.rejected()
	for i := range list {
		if list[i].version == version {
			return &list[i]
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
	if e.acked != nil || e.odd == nil {
		return e.acked
	}
	return e.odd.spare
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
		e.sub.sum -= digest(e.name.Value(), e.sent.version)
	}
	if h != nil {
		e.sub.sum += digest(e.name.Value(), h.version)
	}
	e.sent = h
}

// refuse remembers that the client refused h, which it therefore does not have.
func (e *entry) refuse(h *held, text string, now time.Time) {
	odd := e.trouble()
	if len(odd.rejected) == keptRejections {
		odd.rejected = slices.Delete(odd.rejected, 0, 1)
	}
	odd.rejected = append(odd.rejected, rejection{h.version, text, now})
	if e.acked.ver() == h.version {
		e.acked = nil
	}
	if odd.spare.ver() == h.version {
		odd.spare = nil
	}
	e.setSent(e.acked)
	e.since = now.UnixNano()
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

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
// that ask for much make many entries, so it is small: names are kept once, and what the
// client has is kept apart only while it differs from the latest.
type entry struct {
	sub  *subscription
	name name

	cur   *held    // the catalog's latest; nil: there is none
	odd   *trouble // nil: all is well, and has and took tell the rest
	since uint32   // when the present state began, in seconds of Unix
	is    flags
}

// name is the name of a resource.
type name = unique.Handle[string]

// flags are what is so of an entry.
type flags uint16

const (
	named   flags = 1 << iota // subscribed to by name
	wild                      // told by the subscription to all
	gone                      // no longer subscribed to: later news are of no interest
	told                      // the catalog has spoken
	dirty                     // in the subscription's list of dirty ones
	has                       // the client has the latest; while odd is nil, as took
	took                      // the client accepted the latest
	watched                   // the catalog tells of it
	owed                      // to be told even if nothing is new: the incremental form asked for it
)

func (e *entry) set(f flags)   { e.is |= f }
func (e *entry) clear(f flags) { e.is &^= f }

// put sets or clears f.
func (e *entry) put(f flags, on bool) {
	e.clear(f)
	if on {
		e.set(f)
	}
}

// trouble is what few entries have at a time.
type trouble struct {
	sent     *held       // what the client has, or will when it reads what was sent
	acked    *held       // what it last accepted of that
	spare    *held       // what the client accepted on an earlier stream or subscription
	rejected []rejection // what it refused, oldest first
	denied   error       // why it may not know
}

// trouble makes room for what few entries have.
func (e *entry) trouble() *trouble {
	if e.odd == nil {
		e.odd = &trouble{sent: e.sent(), acked: e.acked()}
	}
	return e.odd
}

// settle gives the room back when it is not needed any more.
func (e *entry) settle() {
	o := e.odd
	if o == nil || o.spare != nil || len(o.rejected) > 0 || o.denied != nil {
		return
	}
	if (o.sent == nil || o.sent == e.cur) && (o.acked == nil || o.acked == e.cur) {
		e.put(has, o.sent != nil)
		e.put(took, o.acked != nil)
		e.odd = nil
	}
}

// sent is what the client has, or will when it reads what was sent.
func (e *entry) sent() *held {
	if e.odd != nil {
		return e.odd.sent
	}
	return e.latestIf(has)
}

// acked is what the client last accepted of that.
func (e *entry) acked() *held {
	if e.odd != nil {
		return e.odd.acked
	}
	return e.latestIf(took)
}

func (e *entry) latestIf(f flags) *held {
	if e.is&f != 0 {
		return e.cur
	}
	return nil
}

// setCur takes the catalog's latest.
func (e *entry) setCur(h *held) {
	if h == e.cur || h != nil && e.cur != nil && h.version == e.cur.version {
		return
	}
	if e.sent() != nil || e.acked() != nil {
		e.trouble()
	}
	e.cur = h
	if o := e.odd; o != nil && h != nil { // it may have been known by its version alone, or be back
		if o.sent.ver() == h.version {
			o.sent = h
		}
		if o.acked.ver() == h.version {
			o.acked = h
		}
	}
	e.settle()
}

// setAcked takes what the client accepted.
func (e *entry) setAcked(h *held) {
	if e.odd == nil && (h == nil || h == e.cur) {
		e.put(took, h != nil)
		return
	}
	e.trouble().acked = h
	e.settle()
}

// setSent records what the client has now, and keeps the sum of all.
func (e *entry) setSent(h *held) {
	if was := e.sent(); was != nil {
		e.sub.sum -= digest(e.name.Value(), was.version)
	}
	if h != nil {
		e.sub.sum += digest(e.name.Value(), h.version)
	}
	if e.odd == nil && (h == nil || h == e.cur) {
		e.put(has, h != nil)
		return
	}
	e.trouble().sent = h
	e.settle()
}

// turn notes that its state changes now.
func (e *entry) turn(now time.Time) { e.since = uint32(now.Unix()) } // until 2106

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
	if acked := e.acked(); acked != nil || e.odd == nil {
		return acked
	}
	return e.odd.spare
}

// needs says that the client should be sent something of the name. Of routes and
// endpoints nobody can be told that there are none, but in the incremental form.
func (e *entry) needs() bool {
	if e.is&(owed|told) == owed|told {
		return true
	}
	w := e.wanted()
	if w == nil {
		return e.sent() != nil && (e.sub.kind.full() || e.sub.delta)
	}
	return w.ver() != e.sent().ver()
}

// refuse remembers that the client refused h, which it therefore does not have.
func (e *entry) refuse(h *held, text string, now time.Time) {
	odd := e.trouble()
	if len(odd.rejected) == keptRejections {
		odd.rejected = slices.Delete(odd.rejected, 0, 1)
	}
	odd.rejected = append(odd.rejected, rejection{h.version, text, now})
	if odd.acked.ver() == h.version {
		odd.acked = nil
	}
	if odd.spare.ver() == h.version {
		odd.spare = nil
	}
	e.setSent(odd.acked)
	e.turn(now)
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

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package flood

import (
	"sync"
	"time"
)

// What is charged and paid is counted in quarters of a frame.
const (
	unit      = 4
	completed = 1 // what a stream that the server has ended pays off

	perAnswer    = 10    // PING and WINDOW_UPDATE that one frame of the server's allows
	maxEarned    = 10000 // and the most that are saved up
	maxOwed      = 10000 // answers to PING and SETTINGS that are waited for
	maxContinued = 64    // CONTINUATION frames in a row

	doubt = 16 // a debt above one so-manieth of the burst has the client wait

	leastWait = time.Millisecond
	mostWait  = 20 * time.Millisecond
	mostLate  = 5 * time.Millisecond
	tiny      = 5 // bytes of DATA: gRPC's empty message has so many
)

// Rate is how many cheap frames a client may send for nothing.
type Rate struct {
	PerSecond int // that time pays off
	Burst     int // more at once than this end the connection
}

// slowed is how many cheap frames a second are taken of a client that is doubted.
func (r Rate) slowed() int { return r.PerSecond + r.Burst*4/3 }

// account is what a connection's client owes.
type account struct {
	rate Rate
	now  func() time.Time

	mu        sync.Mutex // guards what follows; held for moments only
	debt      int64      // in quarters of a frame
	charged   int        // frames since wait last looked
	due       time.Time  // when those before are paid for by waiting; zero: nobody waits
	at        time.Time  // when time last paid
	earned    int        // PING and WINDOW_UPDATE that are free
	owed      int        // answers that the server waits for
	continued int        // CONTINUATION frames in a row
	last      uint32     // the highest stream of the client
}

// received enters a frame of the client's. It returns what there was too much of, or "", and
// whether the client is doubted now.
func (a *account) received(f *frame) (what string, doubted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	what = a.enter(f)
	return what, a.doubted()
}

func (a *account) enter(f *frame) string {
	if f.kind != kindContinuation {
		a.continued = 0
	}
	switch f.kind {
	case kindHeaders:
		a.last = max(a.last, f.stream)
		return ""
	case kindData:
		if f.has(flagEndStream) || f.body() >= tiny {
			return ""
		}
		return a.charge("tiny DATA frames")
	case kindReset:
		return a.charge("RST_STREAM frames")
	case kindContinuation:
		a.continued++
		if a.continued > maxContinued {
			return "CONTINUATION frames in a row"
		}
		return a.charge("CONTINUATION frames")
	case kindPing:
		return a.asked(f, "PING frames")
	case kindSettings:
		if f.has(flagAck) {
			return a.acknowledged("SETTINGS frames")
		}
		return a.charge("SETTINGS frames")
	case kindWindowUpdate:
		if f.word() != 0 && a.afford() {
			return ""
		}
		return a.charge("WINDOW_UPDATE frames")
	}
	return a.charge("frames of no use")
}

// asked is a PING.
func (a *account) asked(f *frame, what string) string {
	if f.has(flagAck) {
		return a.acknowledged(what)
	}
	if a.afford() {
		return ""
	}
	return a.charge(what)
}

func (a *account) acknowledged(what string) string {
	if a.owed > 0 {
		a.owed--
		return ""
	}
	return a.charge(what)
}

func (a *account) afford() bool {
	if a.earned == 0 {
		return false
	}
	a.earned--
	return true
}

// sent enters a frame of the server's. It returns what there was too much of, or "".
func (a *account) sent(f *frame) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch f.kind {
	case kindHeaders, kindData:
		a.earned = min(a.earned+perAnswer, maxEarned)
		if f.has(flagEndStream) {
			a.debt = max(a.debt-completed, 0)
		}
	case kindPing, kindSettings:
		if !f.has(flagAck) {
			a.owed = min(a.owed+1, maxOwed)
		}
	case kindReset:
		if blames(f.word()) {
			return a.charge("streams that had to be reset")
		}
	}
	return ""
}

// blames reports whether a server resets a stream with this code for what its client did
// (RFC 9113, section 7): PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED,
// FRAME_SIZE_ERROR, REFUSED_STREAM, COMPRESSION_ERROR, ENHANCE_YOUR_CALM.
func blames(code uint32) bool {
	switch code {
	case 0x1, 0x3, 0x5, 0x6, 0x7, 0x9, 0xb:
		return true
	}
	return false
}

// charge adds a frame to the debt. It returns what when that is too much.
func (a *account) charge(what string) string {
	now := a.now()
	paid := int64(now.Sub(a.at).Seconds() * float64(a.rate.PerSecond) * unit)
	if paid > 0 {
		a.debt, a.at = max(a.debt-paid, 0), now
	}
	a.debt += unit
	a.charged++
	if a.debt > int64(a.rate.Burst)*unit {
		return what
	}
	return ""
}

// wait is how long the client is to wait before more is read of it, and whether it is doubted
// at all: its cheap frames are then taken at a rate that fills up the account in 0.7 s,
// however many more there are. It is told by the clock what is due, since a short sleep takes
// longer than it says.
func (a *account) wait() (d time.Duration, doubted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.doubted() {
		a.charged, a.due = 0, time.Time{}
		return 0, false
	}
	now := a.now()
	if late := now.Add(-mostLate); a.due.Before(late) {
		a.due = late
	}
	a.due = a.due.Add(time.Duration(a.charged) * time.Second / time.Duration(a.rate.slowed()))
	a.charged = 0
	if d = a.due.Sub(now); d < leastWait {
		return 0, true
	}
	return min(d, mostWait), true
}

func (a *account) doubted() bool { return a.debt > int64(a.rate.Burst)*unit/doubt }

// lastStream is the highest stream that the client has opened.
func (a *account) lastStream() uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import (
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

const (
	beat    = 200 * time.Millisecond
	late    = time.Second // between two beats: the process did not run
	lingers = int32(time.Minute / beat)
)

// meter notices when the process itself does not run: it was stopped, its machine
// slept, or it gets no processor. Whatever times out or is cut off meanwhile says
// nothing about the far side.
//
// It is a timer that notes that it fires, as long as calls are made and a minute longer;
// an idle breaker has none.
type meter struct {
	last    atomic.Int64 // Instant of the latest beat; 0: it does not beat
	idle    atomic.Int32 // beats since the latest call
	stopped atomic.Int64 // the latest pause, from here
	resumed atomic.Int64 // to here
}

// touch notes that a call is made.
func (m *meter) touch() {
	if m.idle.Load() != 0 {
		m.idle.Store(0)
	}
	if m.last.Load() == 0 && m.last.CompareAndSwap(0, int64(enmesh.Now())) {
		time.AfterFunc(beat, m.tick)
	}
}

func (m *meter) tick() {
	now := int64(enmesh.Now())
	if last := m.last.Load(); time.Duration(now-last) > late {
		m.stopped.Store(last)
		m.resumed.Store(now)
	}
	if m.idle.Add(1) > lingers {
		m.last.Store(0)
		return
	}
	m.last.Store(now)
	time.AfterFunc(beat, m.tick)
}

// across reports whether the process did not run for a while between start and end. The
// call may end before the meter has had its turn.
func (m *meter) across(start, end enmesh.Instant) bool {
	if last := m.last.Load(); last != 0 && time.Duration(int64(end)-last) > late {
		return true
	}
	return int64(start) <= m.resumed.Load() && int64(end) >= m.stopped.Load() && m.resumed.Load() != 0
}

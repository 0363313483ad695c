// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import (
	"log/slog"
	"runtime/debug"

	"github.com/enmesh-go/enmesh"
)

// Change is a transition of a breaker.
type Change struct {
	From, To State
	Forced   bool // it stays so until it is forced otherwise or reset
	At       enmesh.Instant
}

// Option changes how New makes a breaker.
type Option func(*Breaker)

// OnChange has f called after each transition, in their order, on the goroutine of
// whoever brought it about, or that is telling of one already. f may call the breaker;
// it must not block, since calls wait for it. When it panics, that is logged.
func OnChange(f func(Change)) Option { return func(b *Breaker) { b.onChange = f } }

// ForceOpen refuses every call until [Breaker.ForceClosed] or [Breaker.Reset].
func (b *Breaker) ForceOpen() { b.force(Open) }

// ForceClosed lets every call through, and counts none, until [Breaker.ForceOpen] or
// [Breaker.Reset].
func (b *Breaker) ForceClosed() { b.force(Closed) }

func (b *Breaker) force(to State) {
	b.mu.Lock()
	b.forced = true
	b.enter(to, enmesh.Now())
	b.mu.Unlock()
	b.tell()
}

// Reset makes the breaker what it was when it was new: closed, with nothing counted and
// nothing forced. Calls in flight do not count.
func (b *Breaker) Reset() {
	now := enmesh.Now()
	b.mu.Lock()
	b.forced = false
	b.renew(now)
	b.enter(Closed, now)
	b.mu.Unlock()
	b.tell()
}

// Forced reports whether the present state was forced.
func (b *Breaker) Forced() bool { return phase(b.phase.Load()).forced() }

// tell hands out news, unless somebody does already: who calls the breaker from a hook
// finds it so, and his news come next.
func (b *Breaker) tell() {
	if b.onChange == nil {
		return
	}
	b.mu.Lock()
	if b.telling {
		b.mu.Unlock()
		return
	}
	b.telling = true
	for len(b.news) > 0 {
		one := b.news[0]
		b.news = b.news[1:]
		b.mu.Unlock()
		b.call(one)
		b.mu.Lock()
	}
	b.news, b.telling = nil, false
	b.mu.Unlock()
}

// call runs the hook. Done is called where a panic would end the process.
func (b *Breaker) call(one Change) {
	returned := false
	defer func() {
		if v := recover(); v != nil {
			slog.Error("breaker: the OnChange hook panicked", "value", v, "stack", string(debug.Stack()))
		} else if !returned { // it ends this goroutine: somebody else is to tell what comes
			b.mu.Lock()
			b.telling = false
			b.mu.Unlock()
		}
	}()
	b.onChange(one)
	returned = true
}

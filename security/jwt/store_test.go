// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
)

// A fetch may end between the moment when a call has looked whether there are newer keys
// and the one when it would wait for them: it is too soon for another fetch then, and the
// keys are there.
func TestStore_asksAgainWhenTheKeysCameWhileItAsked(t *testing.T) {
	s := newStore(&Keys{ctx: t.Context()}, "https://issuer", time.Second)
	t.Cleanup(s.cancel)
	seen := &keySet{}
	s.current.Store(seen)
	s.mu.Lock() // where the call is held up
	newer := make(chan bool)
	go func() { newer <- s.ask(t.Context(), seen) }()
	time.Sleep(20 * time.Millisecond) // should it be slower, it sees the keys at once
	s.current.Store(&keySet{})
	s.flight, s.began = nil, enmesh.Now()
	s.mu.Unlock()
	if !<-newer {
		t.Error("the call was told that there are no newer keys")
	}
}

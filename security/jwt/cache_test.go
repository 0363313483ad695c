// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"encoding/binary"
	"sync"
	"testing"
)

func TestCache_isBoundedAndKeepsWhatIsUsed(t *testing.T) {
	c := newCache(160)
	hot := sumOf("hot")
	c.put(&hot, &verified{})
	for i := range 10_000 {
		name := sumOf(string(binary.BigEndian.AppendUint32(nil, uint32(i))))
		v := &verified{}
		c.put(&name, v)
		c.put(&name, v)
		if sh := c.shard(&name); sh.entries[name].verified != v { // to get it would be to use it
			t.Fatal("what was put is not there")
		}
		if c.get(&hot) == nil {
			t.Fatalf("the token that is used all the time went after %d others", i)
		}
		if got := c.len(); got > 160 {
			t.Fatalf("%d tokens, want 160 at most", got)
		}
	}
	if got := c.len(); got < 140 {
		t.Errorf("%d tokens, want nearly 160", got)
	}
	for i := range c.shards {
		if sh := &c.shards[i]; len(sh.circle) != len(sh.entries) {
			t.Errorf("%d in the circle, %d by name", len(sh.circle), len(sh.entries))
		}
	}
}

func TestCache_none(t *testing.T) {
	c := newCache(-1)
	name := sumOf("a")
	c.put(&name, &verified{})
	if c.get(&name) != nil {
		t.Error("there is a cache")
	}
}

func TestCache_manyAtOnce(t *testing.T) {
	c := newCache(32)
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 2000 {
				name := sumOf(string(binary.BigEndian.AppendUint32(nil, uint32((i*g)%100))))
				if c.get(&name) == nil {
					c.put(&name, &verified{})
				}
			}
		})
	}
	group.Wait()
	if got := c.len(); got > 32 {
		t.Errorf("%d tokens", got)
	}
}

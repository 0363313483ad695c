// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/enmesh-go/enmesh/internal/ledger"
)

// endWithin is how soon a connection that floods has to be ended.
const endWithin = raceSlows * time.Second

// endAtAll is when it is given up that one ends at all.
const endAtAll = 20 * time.Second

// resetTime is how long a server is attacked by rapid reset: in full length a minute over
// TLS, as servers of a mesh are, and otherwise as long as by other resets.
func resetTime(g *fortress) time.Duration {
	if ledger.Full() && g.secure != nil {
		return time.Minute
	}
	return ledger.Short(60*time.Second) / 6
}

// TestScenarioR1_rapidReset: a client opens streams and resets them at once, 50,000 a
// second, and comes back whenever it is thrown out. Each of its connections ends within a
// second, by ENHANCE_YOUR_CALM, and honest clients are answered.
func TestScenarioR1_rapidReset(t *testing.T) {
	ledger.Baseline(t)
	rapidReset(t, allTargets(t), resetTime)
}

// TestCVE_2023_44487_rapidReset: HTTP/2 servers did the work of every request that was
// reset at once, without counting it against the limit on streams.
func TestCVE_2023_44487_rapidReset(t *testing.T) {
	ledger.Baseline(t)
	rapidReset(t, []*fortress{webTarget(t, true), rpcTarget(t, false)}, func(*fortress) time.Duration { return 300 * time.Millisecond })
}

func rapidReset(t *testing.T, targets []*fortress, lasts func(*fortress) time.Duration) {
	t.Helper()
	for _, g := range targets {
		conns, calm, worst := 0, 0, time.Duration(0)
		g.beside(t, anyTime, func() (slow []string) {
			for until := time.Now().Add(lasts(g)); time.Now().Before(until); conns++ {
				c := rawTo(t, g)
				took, ended := c.flood(50_000, endAtAll, c.openAndReset)
				worst = max(worst, took)
				slow = judge(t, g, "rapid reset", took, ended, slow)
				if c.code.Load() == int64(http2.ErrCodeEnhanceYourCalm) {
					calm++
				}
				c.close()
				pause(t, 50*time.Millisecond)
			}
			return slow
		})
		t.Logf("%s: %d connections ended, %d of them with ENHANCE_YOUR_CALM seen, the slowest after %v; %d handlers ran", g.name, conns, calm, worst, g.ran.Load())
		if !strings.HasPrefix(g.heard(), "RST_STREAM frames") {
			t.Errorf("%s: the hook heard %q", g.name, g.heard())
		}
		if calm == 0 {
			t.Errorf("%s: of %d connections none was told ENHANCE_YOUR_CALM", g.name, conns)
		}
	}
}

// judge wants a connection to have ended, and adds to slow when that took too long.
func judge(t *testing.T, g *fortress, what string, took time.Duration, ended bool, slow []string) []string {
	t.Helper()
	if !ended {
		t.Errorf("%s, %s: the connection is still open after %v", g.name, what, took)
	}
	if took > endWithin {
		slow = append(slow, fmt.Sprintf("%s: the connection ended after %v, want within %v", what, took, endWithin))
	}
	return slow
}

func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// resets are ways to have the server reset a stream.
var resets = map[string]func(c *rawClient) error{
	"WINDOW_UPDATE of 0": func(c *rawClient) error {
		id, err := c.open(false)
		if err != nil {
			return err
		}
		return c.WriteRawFrame(http2.FrameWindowUpdate, 0, id, make([]byte, 4))
	},
	"a stream that depends on itself": func(c *rawClient) error {
		id, err := c.open(false)
		if err != nil {
			return err
		}
		return c.WritePriority(id, http2.PriorityParam{StreamDep: id})
	},
	"DATA after the end": func(c *rawClient) error {
		id, err := c.open(true)
		if err != nil {
			return err
		}
		return c.WriteData(id, false, make([]byte, 10))
	},
	"a window beyond 2^31": func(c *rawClient) error {
		id, err := c.open(false)
		if err != nil {
			return err
		}
		return c.WriteWindowUpdate(id, 1<<31-1)
	},
	"more streams than there may be": func(c *rawClient) error {
		_, err := c.open(false)
		return err
	},
}

// TestScenarioR2_madeYouReset: a client has the server reset its streams, in one way after
// the other, and comes back.
func TestScenarioR2_madeYouReset(t *testing.T) {
	ledger.Baseline(t)
	madeYouReset(t, allTargets(t), ledger.Short(60*time.Second)/6)
}

// TestCVE_2025_8671_madeYouReset: streams that the server resets, for what the client did,
// were not counted as those that the client resets.
func TestCVE_2025_8671_madeYouReset(t *testing.T) {
	ledger.Baseline(t)
	madeYouReset(t, []*fortress{webTarget(t, true), rpcTarget(t, false)}, 0)
}

// madeYouReset tries each way once at least.
func madeYouReset(t *testing.T, targets []*fortress, lasts time.Duration) {
	t.Helper()
	for _, g := range targets {
		worst, rounds := make(map[string]time.Duration), 0
		g.beside(t, anyTime, func() (slow []string) {
			rounds = 0
			for until := time.Now().Add(lasts); rounds == 0 || time.Now().Before(until); rounds++ {
				for name, reset := range resets {
					c := rawTo(t, g)
					took, ended := c.flood(20_000, endAtAll, func() error { return reset(c) })
					worst[name] = max(worst[name], took)
					slow = judge(t, g, name, took, ended, slow)
					c.close()
				}
			}
			return slow
		})
		t.Logf("%s: %d rounds, the slowest ends after %v", g.name, rounds, worst)
	}
}

// TestScenarioR3_floods: frames that want an answer, or carry nothing. The connection ends
// within a second, and the memory in use grows by 32 MiB at most.
func TestScenarioR3_floods(t *testing.T) {
	ledger.Baseline(t)
	for _, g := range allTargets(t) {
		floodWith(t, g, "SETTINGS", "PING", "empty DATA", "DATA of one byte", "CONTINUATION")
	}
}

// TestCVE_2023_45288_continuation: a header block without end was read, and decoded, for as
// long as it came.
func TestCVE_2023_45288_continuation(t *testing.T) {
	ledger.Baseline(t)
	for _, g := range allTargets(t) {
		floodWith(t, g, "CONTINUATION")
	}
}

// TestGO_2026_6348_tinyData: a message in DATA frames of a byte each held a buffer for every
// byte.
func TestGO_2026_6348_tinyData(t *testing.T) {
	ledger.Baseline(t)
	for _, g := range []*fortress{rpcTarget(t, false), rpcTarget(t, true)} {
		floodWith(t, g, "DATA of one byte")
	}
}

// floodWith floods with one kind after the other.
func floodWith(t *testing.T, g *fortress, names ...string) {
	t.Helper()
	g.beside(t, anyTime, func() (slow []string) {
		for _, name := range names {
			c := rawTo(t, g)
			frame := floodOf(t, c, name)
			var took time.Duration
			var ended bool
			grown := weigh(t, func() { took, ended = c.flood(50_000, endAtAll, frame) })
			c.close()
			t.Logf("%s, %s: ended after %v with %v, %.1f MiB", g.name, name, took, http2.ErrCode(c.code.Load()), grown)
			slow = judge(t, g, name, took, ended, slow)
			if grown > 32*raceWeighs {
				t.Errorf("%s, %s: %.1f MiB more in use, want 32 at most", g.name, name, grown)
			}
		}
		return slow
	})
}

// floodOf is one frame of a flood.
func floodOf(t *testing.T, c *rawClient, name string) func() error {
	t.Helper()
	switch name {
	case "SETTINGS":
		return func() error { return c.WriteSettings() }
	case "PING":
		return func() error { return c.WritePing(false, [8]byte{}) }
	case "CONTINUATION":
		if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head()}); err != nil {
			t.Fatal(err)
		}
		return func() error { return c.WriteContinuation(1, false, block("x", "y")) }
	}
	id, err := c.open(false)
	if err != nil {
		t.Fatal(err)
	}
	if name == "empty DATA" {
		return func() error { return c.WriteData(id, false, nil) }
	}
	if c.rpc { // a message of 64 KiB begins
		if err := c.WriteData(id, false, []byte{0, 0, 1, 0, 0}); err != nil {
			t.Fatal(err)
		}
	}
	return func() error { return c.WriteData(id, false, []byte{1}) }
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/enmesh-go/enmesh/internal/ledger"
)

// headers are too large in different ways: a list of fields.
func tooLarge() map[string][]string {
	many := make([]string, 0, 20_000)
	for i := range 10_000 {
		many = append(many, "x-"+strconv.Itoa(i), "1")
	}
	return map[string][]string{
		"a field of 64 KiB": {"x-a", strings.Repeat("a", 64<<10)},
		"10,000 fields":     many,
		"a cookie of 1 MiB": {"cookie", "a=" + strings.Repeat("b", 1<<20)},
	}
}

// TestScenarioR4_largeHeaders: no handler sees a request whose head is beyond the limit, on
// any protocol, and what it takes to refuse it stays below 16 MiB.
func TestScenarioR4_largeHeaders(t *testing.T) {
	ledger.Baseline(t)
	for _, g := range allTargets(t) {
		for name, fields := range tooLarge() {
			c := rawTo(t, g)
			grown := weigh(t, func() { c.sendHead(c.head(fields...)) })
			tooMuch(t, g, c, name, grown)
		}
		c := rawTo(t, g)
		grown := weigh(t, func() { c.sendHead(bomb(c)) })
		tooMuch(t, g, c, "a bomb of references", grown)
	}
}

// sendHead sends a request's head in as many frames as it takes, and waits for an answer.
func (c *rawClient) sendHead(head []byte) {
	const most = 16 << 10
	first := head[:min(most, len(head))]
	rest := head[len(first):]
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: c.next, EndStream: true, EndHeaders: len(rest) == 0, BlockFragment: first})
	for len(rest) > 0 {
		piece := rest[:min(most, len(rest))]
		rest = rest[len(piece):]
		if c.WriteContinuation(c.next, len(rest) == 0, piece) != nil {
			break
		}
	}
	c.next += 2
	_ = c.out.Flush()
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until) && c.status.Load()+c.resets.Load() == 0; {
		select {
		case <-c.ended:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// bomb is a head of 16 KiB that stands for 64 MiB: one field of 4 KB, and references to it.
func bomb(c *rawClient) []byte {
	var b bytes.Buffer
	b.Write(c.head())
	e := hpack.NewEncoder(&b)
	_ = e.WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("a", 4000)})
	b.Write(bytes.Repeat([]byte{0x80 | 62}, 16000)) // the newest entry of the dynamic table
	return b.Bytes()
}

func tooMuch(t *testing.T, g *fortress, c *rawClient, name string, grown float64) {
	t.Helper()
	answered, reset := c.status.Load(), c.resets.Load()
	closed := false
	select {
	case <-c.ended:
		closed = true
	default:
	}
	t.Logf("%s, %s: answered %d, reset %d, closed %v (GOAWAY %d), %.1f MiB", g.name, name, answered, reset, closed, c.code.Load(), grown)
	if ran := g.ran.Load(); ran != 0 {
		t.Errorf("%s, %s: %d handlers ran", g.name, name, ran)
	}
	if answered+reset == 0 && !closed {
		t.Errorf("%s, %s: neither answered nor reset nor closed", g.name, name)
	}
	if grown > 16*raceWeighs {
		t.Errorf("%s, %s: %.1f MiB more in use, want 16 at most", g.name, name, grown)
	}
	c.close()
}

// TestScenarioR4_overHTTP1: 431, and the connection ends.
func TestScenarioR4_overHTTP1(t *testing.T) {
	ledger.Baseline(t)
	g := webTarget(t, false)
	for name, fields := range tooLarge() {
		conn := g.dial(t)
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		grown := weigh(t, func() {
			go func() { // it may end before all is written
				var b strings.Builder
				b.WriteString("GET / HTTP/1.1\r\nHost: a\r\n")
				for i := 0; i < len(fields); i += 2 {
					fmt.Fprintf(&b, "%s: %s\r\n", fields[i], fields[i+1])
				}
				_, _ = io.WriteString(conn, b.String()+"\r\n")
			}()
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge || !resp.Close {
				t.Errorf("%s: got %s, closed %v; want 431 and the end of the connection", name, resp.Status, resp.Close)
			}
		})
		if ran := g.ran.Load(); ran != 0 || grown > 16*raceWeighs {
			t.Errorf("%s: %d handlers ran, %.1f MiB more in use; want none and 16 at most", name, ran, grown)
		}
	}
}

// TestScenarioR4_withinTheLimit: a head of nearly the limit is served.
func TestScenarioR4_withinTheLimit(t *testing.T) {
	ledger.Baseline(t)
	for _, g := range allTargets(t) {
		size := 15 << 10
		if g.rpc {
			size = 7 << 10
		}
		c := rawTo(t, g)
		c.sendHead(c.head("x-a", strings.Repeat("a", size)))
		if c.status.Load() == 0 || c.resets.Load() != 0 {
			t.Errorf("%s: a field of %d bytes: answered %d, reset %d; want it served", g.name, size, c.status.Load(), c.resets.Load())
		}
	}
}

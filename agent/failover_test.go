// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/enmesh-go/enmesh/internal/consultest"
)

// ejected has instances sorted by locality.
const ejected = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, trafficPolicy: {outlierDetection: {}}}
`

// TestAgent_movesLoadAsFarAsChecksFail: of four instances beside the client some are critical in
// Consul. Those that are well carry 1.4 times their share of the load, as in Envoy, and
// the rest goes to the next region; nothing goes to those that are critical.
func TestAgent_movesLoadAsFarAsChecksFail(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	add := func(name, locality string) {
		host, port, err := net.SplitHostPort(backend(t, name).Addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		n.Register(consultest.Service{ID: name, Name: "reviews", Address: host, Port: number, Meta: map[string]string{"locality": locality}})
	}
	near := []string{"near1", "near2", "near3", "near4"}
	for _, name := range near {
		add(name, "eu/a")
	}
	add("far1", "us/b")
	add("far2", "us/b")
	p := newProcess(t, n.Addr, write(t, ejected))
	p.start()
	p.listening()
	cc := dial(t, p.bootstrap(), "reviews:9080")
	for _, c := range []struct {
		critical int     // of the near ones
		stays    float64 // of the load
	}{{0, 1}, {1, 1}, {2, 0.7}, {3, 0.35}, {4, 0}, {0, 1}} {
		for i, name := range near {
			status := "passing"
			if i < c.critical {
				status = "critical"
			}
			n.SetStatus(name, status)
		}
		want := append([]string(nil), near[c.critical:]...)
		if c.stays < 1 {
			want = append(want, "far1", "far2")
		}
		// So many calls tell each state from the one before, in which somebody else was called too.
		eventually(t, fmt.Sprintf("%d of 4 are critical: calls are answered by %q alone", c.critical, want), func() bool {
			return maps.Equal(set(answered(t, cc, 100)), set(want))
		})
		stayed(t, cc, c.critical, c.stays, want)
	}
}

// stayed counts who answers: the near ones a share of the calls, within 5 sigma, and nobody else
// than those who should.
func stayed(t *testing.T, cc *grpc.ClientConn, critical int, share float64, want []string) {
	t.Helper()
	const calls = 600
	at, near := map[string]int{}, 0
	for _, who := range answered(t, cc, calls) {
		at[who]++
		if strings.HasPrefix(who, "near") {
			near++
		}
	}
	if bound := 5 * math.Sqrt(calls*share*(1-share)); math.Abs(float64(near)-calls*share) > bound {
		t.Errorf("%d of 4 are critical: %d of %d calls stayed, want %.0f give or take %.0f", critical, near, calls, calls*share, bound)
	}
	if !maps.Equal(set(slices.Collect(maps.Keys(at))), set(want)) {
		t.Errorf("%d of 4 are critical: answered by %v, want %q", critical, at, want)
	}
	t.Logf("%d of 4 are critical: %v", critical, at)
}

// answered is who answers each of n calls.
func answered(t *testing.T, cc *grpc.ClientConn, n int) []string {
	t.Helper()
	var out []string
	for range n {
		who, err := call(t, cc)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, who)
	}
	return out
}

func set(list []string) map[string]bool {
	out := map[string]bool{}
	for _, one := range list {
		out[one] = true
	}
	return out
}

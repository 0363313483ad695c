// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

func consistent() map[string]balance.Algorithm {
	return map[string]balance.Algorithm{
		"ring hash":         balance.RingHashFrom(balance.RingHashConfig{}, seeded()),
		"bounded ring hash": balance.RingHashFrom(balance.RingHashConfig{BalanceFactor: 200}, seeded()),
		"maglev":            balance.MaglevFrom(balance.MaglevConfig{}, seeded()),
		"bounded maglev":    balance.MaglevFrom(balance.MaglevConfig{BalanceFactor: 200}, seeded()),
	}
}

// askOwners makes this test's binary print digest and end.
const askOwners = "ENMESH_TEST_PRINT_OWNERS"

// digest is a word over where keys go, one line for each algorithm.
func digest(t *testing.T, eps []discovery.Endpoint) string {
	t.Helper()
	var b strings.Builder
	algorithms := consistent()
	for _, name := range slices.Sorted(maps.Keys(algorithms)) {
		h := fnv.New64a()
		for _, addr := range owners(t, over(algorithms[name], eps), 10_000) {
			fmt.Fprintln(h, addr)
		}
		fmt.Fprintf(&b, "%s: %x\n", name, h.Sum64())
	}
	return b.String()
}

func TestConsistentHash_twoProcessesAgree(t *testing.T) {
	if os.Getenv(askOwners) != "" {
		fmt.Print("owners:\n", digest(t, told(50, unequal)), "end\n")
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestConsistentHash_twoProcessesAgree$", "-test.count=1")
	cmd.Env = append(os.Environ(), askOwners+"=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, after, _ := strings.Cut(string(out), "owners:\n")
	got, _, _ := strings.Cut(after, "end\n")
	if want := digest(t, told(50, unequal)); got != want {
		t.Errorf("another process says\n%s\nthis one\n%s", got, want)
	}
}

// What the hashes are is a promise: processes of different versions share endpoints.
func TestConsistentHash_staysTheSameFromVersionToVersion(t *testing.T) {
	const want = `bounded maglev: 311a3e20dd025eb2
bounded ring hash: b2bdc36dfec2bd31
maglev: 311a3e20dd025eb2
ring hash: b2bdc36dfec2bd31
`
	if got := digest(t, told(50, unequal)); got != want {
		t.Errorf("keys go elsewhere than in the versions before: got\n%s\nwant\n%s", got, want)
	}
}

func TestConsistentHash_orderOfTheListDoesNotMatter(t *testing.T) {
	eps := told(50, unequal)
	if got, want := digest(t, reversed(eps)), digest(t, eps); got != want {
		t.Errorf("in reverse\n%s\nelse\n%s", got, want)
	}
}

// The keys of an endpoint that is away spread over the others, each key to one and the
// same, and come back with it; all other keys stay.
func TestConsistentHash_keysOfOneThatIsAwaySpread(t *testing.T) {
	const keys = 20_000
	for name, a := range consistent() {
		eps := endpoints(20, nil)
		p := a(eps)
		before := owners(t, p, keys)
		away := eps[7]
		away.Eject(enmesh.Now().Add(time.Hour))
		during, again := owners(t, p, keys), owners(t, p, keys)
		heirs := map[string]int{}
		for k := range before {
			if during[k] != again[k] {
				t.Fatalf("%s: key %d goes here and there", name, k)
			}
			if before[k] != away.Addr() {
				if before[k] != during[k] {
					t.Fatalf("%s: key %d left an endpoint that is there", name, k)
				}
				continue
			}
			heirs[during[k]]++
		}
		if len(heirs) != 19 || heirs[away.Addr()] != 0 {
			t.Errorf("%s: %d endpoints inherit, want 19", name, len(heirs))
		}
		for addr, n := range heirs {
			if n > keys/20/5 {
				t.Errorf("%s: %s inherits %d keys of about %d", name, addr, n, keys/20)
			}
		}
		away.Eject(0)
		if !slices.Equal(before, owners(t, p, keys)) {
			t.Errorf("%s: keys did not come back", name)
		}
	}
}

// A call that has tried an endpoint goes to the same second one each time.
func TestConsistentHash_secondChoiceIsTheKeys(t *testing.T) {
	for name, a := range consistent() {
		eps := endpoints(10, nil)
		p := a(eps)
		for key := uint64(1); key < 200; key++ {
			first := mustPick(t, p, &enmesh.Call{Key: key})
			c := callThatTried(first)
			c.Key = key
			second := mustPick(t, p, c)
			if second == first || mustPick(t, p, c) != second {
				t.Fatalf("%s: key %d: second choice is the first, or changes", name, key)
			}
		}
	}
}

// Without a key every endpoint gets its share.
func TestConsistentHash_noKeyIsRandom(t *testing.T) {
	for name, a := range consistent() {
		eps := endpoints(10, nil)
		p := a(eps)
		seen := map[*balance.Endpoint]int{}
		for range 10_000 {
			seen[mustPick(t, p, &enmesh.Call{})]++
		}
		for _, e := range eps {
			if seen[e] < 600 {
				t.Errorf("%s: %s got %d of 10,000 calls without a key", name, e.Addr(), seen[e])
			}
		}
	}
}

// The same address under two accounts is two endpoints with the same points.
func TestConsistentHash_oneAddressTwice(t *testing.T) {
	eps := told(3, nil)
	twin := eps[1]
	twin.ServiceAccount = "other"
	eps = append(eps, twin)
	for name, a := range consistent() {
		if got, want := owners(t, over(a, reversed(eps)), 1000), owners(t, over(a, eps), 1000); !slices.Equal(got, want) {
			t.Errorf("%s: the order of the list decides", name)
		}
	}
}

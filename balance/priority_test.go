// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// in is n endpoints in each locality, in turn: the locality is in the address.
func in(n int, localities ...string) []discovery.Endpoint {
	eps := []discovery.Endpoint{}
	for _, l := range localities {
		at, err := discovery.ParseLocality(l)
		if err != nil {
			panic(err)
		}
		for i := range n {
			eps = append(eps, discovery.Endpoint{Addrs: []string{fmt.Sprintf("%s#%d:80", l, i)}, Locality: at})
		}
	}
	return eps
}

// prefer is a client in r1/z1/s1 that fails over.
var prefer = balance.LocalityConfig{
	Local:            discovery.Locality{Region: "r1", Zone: "z1", SubZone: "s1"},
	OutlierDetection: true,
}

// placed is a cluster of endpoints, and what a client with cfg picks from.
func placed(cfg balance.LocalityConfig, eps []discovery.Endpoint, panicBelow uint32) *balance.Cluster {
	c := balance.NewCluster(balance.ClusterConfig{
		Algorithm: balance.LocalityFrom(cfg, balance.RoundRobin(), seeded()), Panic: panicBelow,
	})
	c.Apply(eps)
	return c
}

// split is the percentage of n picks by locality.
func split(t *testing.T, p balance.Picker, n int) map[string]float64 {
	t.Helper()
	got := map[string]float64{}
	for range n {
		got[mustPick(t, p, nil).Info().Locality.String()] += 100 / float64(n)
	}
	return got
}

// wantSplit compares percentages.
func wantSplit(t *testing.T, what string, got, want map[string]float64, within float64) {
	t.Helper()
	for l := range got {
		if _, ok := want[l]; !ok {
			want[l] = 0
		}
	}
	for l, w := range want {
		if off := math.Abs(got[l] - w); off > within || w == 0 && off > 0 {
			t.Errorf("%s: %s gets %.2f%%, want %.2f%% ± %.2f", what, l, got[l], w, within)
		}
	}
}

// bad ejects the first n endpoints of a locality.
func bad(c *balance.Cluster, locality string, n int) {
	for _, e := range c.Set().Endpoints {
		if n > 0 && e.Info().Locality.String() == locality {
			e.Eject(enmesh.Now().Add(time.Hour))
			n--
		}
	}
}

// The tables of Envoy's documentation ("Priority levels"), in percent.
func TestSpread_isEnvoys(t *testing.T) {
	for _, tc := range []struct{ healthy, want []float64 }{
		{[]float64{100, 100}, []float64{100, 0}},
		{[]float64{72, 100}, []float64{100, 0}},
		{[]float64{71, 100}, []float64{99.4, 0.6}},
		{[]float64{50, 100}, []float64{70, 30}},
		{[]float64{25, 100}, []float64{35, 65}},
		{[]float64{0, 100}, []float64{0, 100}},
		{[]float64{25, 25}, []float64{50, 50}},
		{[]float64{100, 100, 100}, []float64{100, 0, 0}},
		{[]float64{72, 72, 100}, []float64{100, 0, 0}},
		{[]float64{71, 71, 100}, []float64{99.4, 0.6, 0}},
		{[]float64{50, 50, 100}, []float64{70, 30, 0}},
		{[]float64{50, 10, 100}, []float64{70, 14, 16}},
		{[]float64{25, 100, 100}, []float64{35, 65, 0}},
		{[]float64{25, 25, 100}, []float64{35, 35, 30}},
		{[]float64{25, 25, 20}, []float64{35.7, 35.7, 28.6}},
		{[]float64{0, 0, 0}, nil},
	} {
		health := []float64{}
		for _, h := range tc.healthy {
			health = append(health, min(1, 1.4*h/100))
		}
		got := balance.Spread(health)
		if len(got) != len(tc.want) {
			t.Errorf("%v: %v, want %v", tc.healthy, got, tc.want)
			continue
		}
		for i, w := range tc.want {
			if math.Abs(100*got[i]-w) > 0.05 {
				t.Errorf("healthy %v: tier %d gets %.2f%%, want %.1f%%", tc.healthy, i, 100*got[i], w)
			}
		}
	}
}

// P12: a healthy zone keeps its load, a half healthy one 70% of it, a dead one none, from
// the very pick on.
func TestLocality_spillsByHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const picks = 100_000
		c := placed(prefer, in(10, "r1/z1/s1", "r1/z2/s1", "r2/z1/s1"), 0)
		local, zone, region := "r1/z1/s1", "r1/z2/s1", "r2/z1/s1"
		wantSplit(t, "healthy", split(t, c.Picker(), picks), map[string]float64{local: 100}, 0.001)
		bad(c, local, 2)
		wantSplit(t, "80% healthy", split(t, c.Picker(), picks), map[string]float64{local: 100}, 0.001)
		bad(c, local, 5)
		wantSplit(t, "50% healthy", split(t, c.Picker(), picks), map[string]float64{local: 70, zone: 30}, 0.5)
		bad(c, local, 10)
		wantSplit(t, "dead", split(t, c.Picker(), picks), map[string]float64{zone: 100}, 0.001)
		bad(c, zone, 9)
		wantSplit(t, "zone at 10%", split(t, c.Picker(), picks), map[string]float64{zone: 14, region: 86}, 0.5)
		time.Sleep(time.Hour)
		wantSplit(t, "after the ejections", split(t, c.Picker(), picks), map[string]float64{local: 100}, 0.001)
	})
}

func TestLocality_drainingEndpointsDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eps := in(10, "r1/z1/s1", "r2/z1/s1")
		for i := range 4 {
			eps[i].Draining = true
		}
		c := placed(prefer, eps, 0)
		wantSplit(t, "4 of 10 draining", split(t, c.Picker(), 1000), map[string]float64{"r1/z1/s1": 100}, 0.001)
		for _, e := range c.Set().Endpoints[4:7] {
			e.Drain(enmesh.Now().Add(time.Minute))
		}
		wantSplit(t, "3 about to end", split(t, c.Picker(), 1000), map[string]float64{"r1/z1/s1": 100}, 0.001)
		for _, e := range c.Set().Endpoints[7:10] {
			e.Drain(enmesh.Now().Add(time.Minute))
		}
		wantSplit(t, "all about to end", split(t, c.Picker(), 1000), map[string]float64{"r2/z1/s1": 100}, 0.001)
		time.Sleep(2 * time.Minute)
		wantSplit(t, "after that", split(t, c.Picker(), 1000), map[string]float64{"r1/z1/s1": 100}, 0.001)
	})
}

// gRPC builds pickers over the views that are connected: those that are not count as bad.
func TestLocality_countsWhatIsNotConnected(t *testing.T) {
	a := balance.LocalityFrom(prefer, balance.RoundRobin(), seeded())
	c := balance.NewCluster(balance.ClusterConfig{Algorithm: a})
	c.Apply(in(10, "r1/z1/s1", "r2/z1/s1"))
	views := []*balance.Endpoint{}
	for i, e := range c.Set().Endpoints {
		views = append(views, e.View(i))
	}
	for _, v := range views[5:] {
		v.SetReady(true)
	}
	views = views[5:]
	p := c.Set().Algorithm(views)
	wantSplit(t, "half never connected", split(t, p, 1000), map[string]float64{"r1/z1/s1": 100}, 0.001)
	for _, e := range c.Set().Endpoints[:5] {
		lost := e.View(nil)
		lost.SetReady(true)
		lost.SetReady(false)
	}
	p = c.Set().Algorithm(views)
	wantSplit(t, "half lost", split(t, p, 50_000), map[string]float64{"r1/z1/s1": 70, "r2/z1/s1": 30}, 1)
	if v := mustPick(t, p, nil); v.Attachment() == nil {
		t.Error("picked something else than a view")
	}
	for _, v := range views[:5] {
		v.SetReady(false)
	}
	wantSplit(t, "lost, before the next picker", split(t, p, 1000), map[string]float64{"r2/z1/s1": 100}, 0.001)
}

// Who leaves endpoints out of a list makes a tier weaker: the cluster has them still.
func TestLocality_countsWhatWasLeftOut(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply(in(10, "r1/z1/s1", "r2/z1/s1"))
	p := balance.LocalityFrom(prefer, balance.RoundRobin(), seeded())(c.Set().Endpoints[5:])
	wantSplit(t, "half left out", split(t, p, 50_000), map[string]float64{"r1/z1/s1": 70, "r2/z1/s1": 30}, 1)
}

// A subset of the destination has its own total.
func TestLocality_countsTheSubsetOnly(t *testing.T) {
	eps := in(10, "r1/z1/s1", "r2/z1/s1")
	for i := range eps {
		eps[i].Version = fmt.Sprint("v", i%5)
	}
	c := balance.NewCluster(balance.ClusterConfig{
		Subset: map[string]string{"version": "v1"}, Algorithm: balance.LocalityFrom(prefer, nil, seeded()),
	})
	c.Apply(eps)
	if n := len(c.Set().Endpoints); n != 4 {
		t.Fatalf("subset of %d, want 4", n)
	}
	wantSplit(t, "subset", split(t, c.Picker(), 1000), map[string]float64{"r1/z1/s1": 100}, 0.001)
}

// An ejection changes the shares and nothing else: in-flight counts and the turn of round
// robin go on.
func TestLocality_keepsPickersWhenHealthChanges(t *testing.T) {
	built := 0
	counting := func(eps []*balance.Endpoint) balance.Picker {
		built++
		return balance.RoundRobin()(eps)
	}
	c := balance.NewCluster(balance.ClusterConfig{Algorithm: balance.Locality(prefer, counting)})
	c.Apply(in(10, "r1/z1/s1", "r2/z1/s1"))
	mustPick(t, c.Picker(), nil)
	before := built
	for i := range 8 {
		bad(c, "r1/z1/s1", i+1)
		mustPick(t, c.Picker(), nil)
	}
	if built != before || built != 2 {
		t.Errorf("pickers built: %d, then %d; want 2, one for each tier", before, built)
	}
}

func TestLocality_retriesGoWhereNothingWasTried(t *testing.T) {
	c := placed(prefer, in(2, "r1/z1/s1", "r2/z1/s1"), 0)
	eps := c.Set().Endpoints
	for range 100 {
		if got := mustPick(t, c.Picker(), callThatTried(eps[0])); got != eps[1] {
			t.Fatalf("second attempt went to %s, want the other endpoint of the zone", got.Addr())
		}
		if got := mustPick(t, c.Picker(), callThatTried(eps[0], eps[1])).Info().Locality.Region; got != "r2" {
			t.Fatalf("third attempt went to %s, want the other region", got)
		}
		if got := mustPick(t, c.Picker(), callThatTried(eps...)); got.Info().Locality.Region != "r1" {
			t.Fatalf("fifth attempt went to %s, want the own region again", got.Addr())
		}
	}
}

func TestLocality_RemoteAfter(t *testing.T) {
	cfg := prefer
	cfg.RemoteAfter = 2
	c := placed(cfg, in(5, "r1/z1/s1", "r1/z2/s1", "r2/z1/s1"), 0)
	want := []string{"r1/z1/s1", "r1/z1/s1", "r1/z2/s1", "r1/z2/s1", "r2/z1/s1", "r2/z1/s1", "r2/z1/s1", "r2/z1/s1"}
	for i, w := range want {
		if got := mustPick(t, c.Picker(), &enmesh.Call{Attempt: i + 1}).Info().Locality.String(); got != w {
			t.Errorf("attempt %d goes to %s, want %s", i+1, got, w)
		}
	}
	for i, w := range []string{"r1/z1/s1", "r1/z2/s1", "r2/z1/s1", "r2/z1/s1"} {
		call := &enmesh.Call{Attempt: i + 1, Route: &enmesh.Route{RemoteAfter: 1}}
		if got := mustPick(t, c.Picker(), call).Info().Locality.String(); got != w {
			t.Errorf("attempt %d of a call whose route says otherwise goes to %s, want %s", i+1, got, w)
		}
	}
	bad(c, "r1/z2/s1", 5)
	if got := mustPick(t, c.Picker(), &enmesh.Call{Attempt: 3}).Info().Locality.String(); got != "r2/z1/s1" {
		t.Errorf("attempt 3 without the second zone goes to %s, want r2/z1/s1", got)
	}
}

// A call with an affinity key goes to one tier, and only those move that must.
func TestLocality_keysKeepTheirTier(t *testing.T) {
	c := placed(prefer, in(10, "r1/z1/s1", "r2/z1/s1"), 0)
	bad(c, "r1/z1/s1", 4) // 84%
	const keys = 10_000
	before, away := make([]string, keys), 0
	for k := range before {
		call := &enmesh.Call{Key: uint64(k + 1)}
		before[k] = mustPick(t, c.Picker(), call).Info().Locality.Region
		if again := mustPick(t, c.Picker(), call).Info().Locality.Region; again != before[k] {
			t.Fatalf("key %d goes to %s, then to %s", k, before[k], again)
		}
		if before[k] == "r2" {
			away++
		}
	}
	if share := 100 * float64(away) / keys; math.Abs(share-16) > 1.5 {
		t.Errorf("%.1f%% of keys are remote, want 16%%", share)
	}
	bad(c, "r1/z1/s1", 5) // 70%
	for k := range before {
		if now := mustPick(t, c.Picker(), &enmesh.Call{Key: uint64(k + 1)}).Info().Locality.Region; before[k] == "r2" && now != "r2" {
			t.Fatalf("key %d came back from the region that has more load now", k)
		}
	}
}

// Picks go on while health changes; none fails, and none goes to the bad while there are good ones.
func TestLocality_healthChangesWhilePicking(t *testing.T) {
	c := placed(prefer, in(20, "r1/z1/s1", "r2/z1/s1"), 50)
	c.Configure(balance.ClusterConfig{Algorithm: balance.Locality(prefer, balance.PowerOfTwo()), Panic: 50})
	stop := make(chan struct{})
	var wg, changing sync.WaitGroup
	changing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			for j, e := range c.Set().Endpoints {
				if (i/4+j)%3 != 0 {
					e.Eject(enmesh.Now().Add(time.Millisecond))
				} else {
					e.Eject(enmesh.Now())
				}
				if j%7 == 0 {
					e.SetHealthy(i%2 == 0)
				}
			}
		}
	})
	for range 3 {
		wg.Go(func() {
			for range 20_000 {
				if _, err := c.Picker().Pick(nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	changing.Wait()
}

// Whatever the health: all of the load is given, in order, and none to the dead.
func TestSpread_givesAllOfTheLoad(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 10_000 {
		health := make([]float64, 1+rnd.IntN(6))
		var together float64
		for i := range health {
			health[i] = min(1, 1.4*float64(rnd.IntN(11))/10)
			together += health[i]
		}
		var given float64
		for i, load := range balance.Spread(health) {
			if most := health[i] / min(1, together); load < 0 || load > most+1e-9 || load < min(most, 1-given)-1e-9 {
				t.Fatalf("health %v: tier %d gets %v", health, i, load)
			}
			given += load
		}
		if together > 0 && math.Abs(given-1) > 1e-9 {
			t.Fatalf("health %v: %v of the load given, want all", health, given)
		}
	}
}

func TestLocality_nothingToPick(t *testing.T) {
	a := balance.Locality(prefer, nil)
	if _, err := a(nil).Pick(nil); err != balance.ErrNoEndpoint {
		t.Errorf("no endpoints: %v, want %v", err, balance.ErrNoEndpoint)
	}
	c := placed(prefer, in(3, "r1/z1/s1", "r2/z1/s1"), 0)
	for _, e := range c.Set().Endpoints {
		e.SetReady(false)
	}
	if _, err := c.Picker().Pick(nil); err != balance.ErrNoEndpoint {
		t.Errorf("none ready: %v, want %v", err, balance.ErrNoEndpoint)
	}
}

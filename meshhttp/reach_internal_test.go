// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// reaches are what is known of so many endpoints of one cluster.
func reaches(n int) []*reach {
	c := balance.NewCluster(balance.ClusterConfig{Algorithm: balance.RoundRobin()})
	eps := make([]discovery.Endpoint, n)
	for i := range eps {
		eps[i].Addrs = []string{string(rune('a'+i)) + ":80"}
	}
	c.Apply(eps)
	up := new(atomic.Int32)
	all := make([]*reach, n)
	for i, e := range c.Set().Endpoints {
		all[i] = new(reach)
		all[i].init(e, up, time.Second)
	}
	return all
}

// tries is how many of many calls that come together may go.
func tries(r *reach) int {
	var may atomic.Int32
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if ok, _ := r.try(enmesh.Now()); ok {
				may.Add(1)
			}
		})
	}
	all.Wait()
	return int(may.Load())
}

func TestReach_oneCallTriesAHostThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reaches(1)[0]
		if n := tries(r); n != 100 {
			t.Errorf("%d of 100 calls may go to one that nothing is known of, want all", n)
		}
		for range 100 { // they fail together
			r.failed(enmesh.Now(), enmesh.Now())
		}
		if n := r.failures.Load(); n != 1 {
			t.Errorf("100 calls that failed together count as %d", n)
		}
		began, tried := time.Now(), 0
		var least, most time.Duration = time.Hour, 0
		for last := began; time.Since(began) < 5*time.Minute; time.Sleep(10 * time.Millisecond) {
			n := tries(r)
			if n == 0 {
				continue
			}
			tried += n
			gap := time.Since(last)
			least, most, last = min(least, gap), max(most, gap), time.Now()
			r.failed(enmesh.Now(), enmesh.Now())
		}
		if least < firstRest || most > 3700*time.Millisecond || tried < 80 || tried > 100 {
			t.Errorf("%d tries in 5 minutes, %v to %v apart; want 3 s to 3.6 s when it has long been down, and never less than 1 s", tried, least, most)
		}
	})
}

func TestReach_isLeftAloneForLongerWhileOthersAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := reaches(2)
		down, well := rs[0], rs[1]
		well.answered()
		well.answered()
		for range 12 {
			down.failed(enmesh.Now(), enmesh.Now())
			time.Sleep(longRest + longRest/4)
		}
		down.failed(enmesh.Now(), enmesh.Now())
		rest := down.end.EjectedUntil().Sub(enmesh.Now())
		if rest < longRest || rest > longRest*6/5 {
			t.Errorf("it rests for %v, want 10 s to 12 s", rest)
		}
		if _, left := down.try(enmesh.Now()); left < shortRest || left > shortRest*6/5 {
			t.Errorf("a call that has nowhere else to go may try it in %v, want 3 s to 3.6 s", left)
		}
		well.failed(enmesh.Now(), enmesh.Now()) // now there is no other
		time.Sleep(4 * time.Second)
		if n := tries(down); n != 1 {
			t.Fatalf("%d of 100 calls may try it, want 1", n)
		}
		down.failed(enmesh.Now(), enmesh.Now())
		if rest := down.end.EjectedUntil().Sub(enmesh.Now()); rest > shortRest*6/5 {
			t.Errorf("it rests for %v though no other answers, want at most 3.6 s", rest)
		}
	})
}

// One connection that cannot be made says little of a host that others are open to, and
// those that fail together say no more.
func TestReach_aConnectionAmongOthersFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reaches(1)[0]
		r.answered()
		began := enmesh.Now()
		time.Sleep(time.Second)
		for range 100 {
			r.failed(began, enmesh.Now())
		}
		if n := tries(r); n != 100 || !r.end.Ejected(enmesh.Now()) {
			t.Errorf("%d of 100 calls may go there, and it is ejected: %v; want all, and only where there is no other", n, r.end.Ejected(enmesh.Now()))
		}
		time.Sleep(time.Millisecond)
		r.answered()
		r.failed(enmesh.Now(), enmesh.Now())
		if n := tries(r); n != 100 {
			t.Errorf("%d of 100 calls may go there once it has answered again, want all", n)
		}
		time.Sleep(time.Millisecond)
		r.failed(enmesh.Now(), enmesh.Now())
		if n := tries(r); n != 0 {
			t.Errorf("%d of 100 calls may go there when it has failed twice, want none", n)
		}
	})
}

func TestReach_isFreeAsSoonAsItIsConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reaches(1)[0]
		r.failed(enmesh.Now(), enmesh.Now())
		time.Sleep(2 * time.Second)
		if n := tries(r); n != 1 || !r.end.Ejected(enmesh.Now()) {
			t.Errorf("%d of 100 calls try it, and it is ejected: %v; want 1, and picks elsewhere meanwhile", n, r.end.Ejected(enmesh.Now()))
		}
		r.connected()
		if n := tries(r); n != 100 || r.end.Ejected(enmesh.Now()) {
			t.Errorf("%d of 100 calls may go to one that is connected, and it is ejected: %v", n, r.end.Ejected(enmesh.Now()))
		}
	})
}

// A call that tries an endpoint may be given up before anybody knows: another one follows.
func TestReach_aTryThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reaches(1)[0]
		r.failed(enmesh.Now(), enmesh.Now())
		time.Sleep(2 * time.Second)
		if n := tries(r) + tries(r); n != 1 {
			t.Fatalf("%d calls try it, want 1", n)
		}
		time.Sleep(time.Second)
		if n := tries(r); n != 1 {
			t.Errorf("%d calls try it a second later, want 1", n)
		}
	})
}

// An ejection that others have decided is theirs to end.
func TestReach_endsNoEjectionButItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reaches(1)[0]
		until := enmesh.Now().Add(time.Minute)
		r.end.Eject(until)
		r.failed(enmesh.Now(), enmesh.Now())
		time.Sleep(2 * time.Second)
		if n := tries(r); n != 1 {
			t.Fatalf("%d of 100 calls try it, want 1", n)
		}
		r.connected()
		if got := r.end.EjectedUntil(); got != until {
			t.Errorf("it is ejected until %d, want %d", got, until)
		}
	})
}

func TestReach_countsThoseThatAnswer(t *testing.T) {
	rs := reaches(3)
	for _, r := range rs {
		r.answered()
	}
	rs[0].failed(enmesh.Now(), enmesh.Now())
	rs[1].retire()
	rs[1].answered() // a call that ends late
	rs[2].retire()
	if n := rs[0].others.Load(); n != 0 {
		t.Errorf("%d answer, want none", n)
	}
	rs[0].answered()
	if n := rs[0].others.Load(); n != 1 {
		t.Errorf("%d answer, want 1", n)
	}
}

func TestRefusalFor(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{
		0: refusalStep, 1: refusalStep, refusalStep: refusalStep, refusalStep + 1: 2 * refusalStep, time.Hour: refusalSteps * refusalStep,
	} {
		if e := refusalFor(left); e.RetryAfter != want || e.Flag != enmesh.FlagNoHealthy || !e.Unsent {
			t.Errorf("refused for %v: %+v, want it unsent, UH, and to wait %v", left, e, want)
		}
	}
}

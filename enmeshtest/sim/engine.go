// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// engine runs one simulation, on one goroutine.
type engine struct {
	cfg      Config
	wait     func(time.Duration) // lets the process's clock follow
	arrivals *rand.Rand          // when calls come, and whose they are
	services *rand.Rand          // how long they take
	failures *rand.Rand          // which of them fail

	start, now enmesh.Instant
	servers    []*server
	clients    []*client
	of         map[*balance.Endpoint]*server
	agenda     agenda
	idle       []*job // to be used again
	records    []record
}

// client is a caller: a cluster and the record of its present call.
type client struct {
	cluster *balance.Cluster
	picker  balance.Picker
	call    enmesh.Call
}

// job is a call on its way.
type job struct {
	admission balance.Admission
	server    *server
	record    int
	demand    time.Duration // service time before the server's factor
	failed    bool          // by decision of the server
}

var errFailed = &enmesh.Error{
	Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, Policy: "sim",
	Err: errors.New("the server fails"),
}

// era is what a simulation's start is a multiple of, so that whoever counts in whole
// seconds, or in units of 2^20 ns as the estimate of latency does, counts alike in
// every run: the least common multiple, 2,048 s.
const era = enmesh.Instant(2048 * time.Second)

// newEngine expects a complete configuration.
func newEngine(cfg Config, wait func(time.Duration)) *engine {
	e := &engine{
		cfg: cfg, wait: wait, of: map[*balance.Endpoint]*server{},
		arrivals: rand.New(rand.NewPCG(cfg.Seed, 1)),
		services: rand.New(rand.NewPCG(cfg.Seed, 2)),
		failures: rand.New(rand.NewPCG(cfg.Seed, 4)),
		records:  make([]record, 0, cfg.Calls),
	}
	e.now = enmesh.Now()
	e.goTo(e.now - e.now%era + era)
	e.start = e.now
	for i, s := range cfg.Servers {
		e.servers = append(e.servers, &server{Server: s, index: i, since: e.now})
	}
	random := rand.New(rand.NewPCG(cfg.Seed, 3)).Uint64
	for range cfg.Clients {
		c := &client{cluster: balance.NewCluster(balance.ClusterConfig{
			Algorithm: cfg.Algorithm, Gates: cfg.Gates, Random: random, Now: func() enmesh.Instant { return e.now },
		})}
		c.picker = c.cluster.Picker()
		e.clients = append(e.clients, c)
	}
	e.apply()
	for i := range cfg.Events {
		e.agenda.add(task{at: e.start.Add(cfg.Events[i].At), ev: &cfg.Events[i]})
	}
	return e
}

// apply tells every client what the registry has now.
func (e *engine) apply() {
	var list []discovery.Endpoint
	var present []*server
	for _, s := range e.servers {
		if !s.absent {
			list = append(list, s.Info)
			present = append(present, s)
		}
	}
	for _, c := range e.clients {
		c.cluster.Apply(list)
		set := c.cluster.Set()
		for _, gone := range set.Removed {
			delete(e.of, gone)
		}
		if len(set.Added) > 0 {
			e.join(set.Endpoints, present)
		}
	}
}

// join finds the servers of endpoints, both of which are in the registry's order.
func (e *engine) join(eps []*balance.Endpoint, present []*server) {
	i := 0
	for _, s := range present {
		if i < len(eps) && eps[i].Addr() == s.Info.Addrs[0] {
			e.of[eps[i]] = s
			i++
		}
	}
}

// run goes from call to call, and from task to task in between.
func (e *engine) run() {
	mean := float64(time.Second) / e.cfg.Rate
	at := e.now
	for n := range e.cfg.Calls {
		at = at.Add(time.Duration(e.arrivals.ExpFloat64() * mean))
		e.until(at)
		e.goTo(at)
		e.arrive(n)
	}
	for len(e.agenda.tasks) > 0 {
		if t := e.agenda.take(); t.job != nil {
			e.goTo(t.at)
			e.finish(t.job)
		}
	}
}

// until does the tasks that are due before or at an instant.
func (e *engine) until(at enmesh.Instant) {
	for {
		due, ok := e.agenda.first()
		if !ok || due > at {
			return
		}
		e.goTo(due)
		t := e.agenda.take()
		if t.job != nil {
			e.finish(t.job)
			continue
		}
		t.ev.Do(&World{e})
		if t.ev.Every > 0 {
			e.agenda.add(task{at: due.Add(t.ev.Every), ev: t.ev})
		}
	}
}

// goTo moves time on.
func (e *engine) goTo(at enmesh.Instant) {
	if at > e.now {
		e.wait(at.Sub(e.now))
		e.now = at
	}
}

// arrive picks for one call and brings it to its server.
func (e *engine) arrive(n int) {
	c := e.clients[0]
	if len(e.clients) > 1 {
		c = e.clients[e.arrivals.IntN(len(e.clients))]
	}
	c.call.Start, c.call.Clock = e.now, e.now
	if e.cfg.Prepare != nil {
		e.cfg.Prepare(&c.call, n)
	}
	j := e.job()
	e.records = append(e.records, record{began: e.now.Sub(e.start), server: nowhere, outcome: refused})
	ep, err := c.picker.Pick(&c.call)
	if err == nil {
		err = ep.Admit(context.Background(), &c.call, e.now, &j.admission)
	}
	if err != nil {
		e.idle = append(e.idle, j)
		return
	}
	j.server, j.record = e.of[ep], n
	e.serve(j)
}

// job is an idle one, or a new one.
func (e *engine) job() *job {
	if last := len(e.idle) - 1; last >= 0 {
		j := e.idle[last]
		e.idle = e.idle[:last]
		return j
	}
	return new(job)
}

// serve begins with a job, puts it in line, or fails it.
func (e *engine) serve(j *job) {
	s := j.server
	j.demand = s.Service.Draw(e.services)
	j.failed = s.Fails > 0 && e.failures.Float64() < s.Fails
	switch {
	case j.failed:
		e.agenda.add(task{at: e.now.Add(s.FailsAfter), job: j})
	case s.busy < s.Workers:
		e.begin(j)
	default:
		s.wait(j)
	}
}

// begin has a worker of its server work on a job.
func (e *engine) begin(j *job) {
	j.server.busy++
	work := time.Duration(float64(j.demand) * j.server.factor(e.now))
	e.agenda.add(task{at: e.now.Add(work), job: j})
}

// finish ends a job, and begins the next of the line.
func (e *engine) finish(j *job) {
	r := &e.records[j.record]
	r.server, r.outcome, r.ended = int32(j.server.index), answered, e.now.Sub(e.start)
	result := enmesh.Result{Answered: e.now, Ended: e.now}
	if j.failed {
		r.outcome = failed
		result.Err, result.Outcome = errFailed, errFailed.Outcome
	} else {
		j.server.busy--
		if next := j.server.next(); next != nil {
			e.begin(next)
		}
	}
	j.admission.Release(result)
	e.idle = append(e.idle, j)
}

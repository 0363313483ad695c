// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/enmesh-go/enmesh"
)

// ErrOpen is found in every refusal of a breaker, open or half-open. The refusal is
// an *enmesh.Error: Unavailable, 503, UO, Neutral, with the time after which a probe
// may go as RetryAfter.
var ErrOpen = errors.New("the circuit is open")

// never is when a breaker that is forced open lets probes through.
const never = math.MaxInt64

// Breaker refuses calls to a far side that only fails. It is a gate; see
// [Breaker.Middleware] for the form that stands in a route's chain.
//
// The transitions are sony/gobreaker's, and so are the failures in a row: it is told of
// each failure in one step, and of the first success after one. What gobreaker has not is
// here: shares of slow calls, and with them those of failed ones, which would cost two of
// its locks for each success; eras, so that what was admitted under another state does not
// count; leases on the places of probes; hooks outside locks; states that are forced; and
// an eye on the process's own pauses. A call costs at most one lock, at its end, and no
// allocation, a refusal neither.
type Breaker struct {
	cfg      Config
	onChange func(Change)
	refusals [steps]*enmesh.Error // the n-th says n+1 steps

	phase atomic.Uint64 // see phaseOf; written under mu
	until atomic.Int64  // an Instant before which nobody is let through unless closed; written under mu
	row   atomic.Bool   // a failure was counted and no success since; written under mu

	pauses meter

	mu      sync.Mutex // guards what follows, and the order of transitions; no hook runs under it
	machine *gobreaker.CircuitBreaker[struct{}]
	forced  bool
	probes  probes
	window  window
	tripped bool // the machine is to trip at the failure that it is being told of
	news    []Change
	telling bool // somebody hands out news
}

// New makes a breaker that is closed, or refuses a Config that makes no sense.
func New(cfg Config, opts ...Option) (*Breaker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Breaker{cfg: cfg, refusals: refusalsFor(cfg.OpenFor)}
	for _, o := range opts {
		o(b)
	}
	b.renew(enmesh.Now())
	return b, nil
}

// renew starts with a machine that knows of nothing.
func (b *Breaker) renew(now enmesh.Instant) {
	b.machine = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:   b.cfg.Probes,
		Interval:      b.cfg.Interval,
		BucketPeriod:  b.cfg.Interval / tenths,
		Timeout:       b.cfg.OpenFor - 1, // it is over when that has passed, not after
		ReadyToTrip:   b.trips,
		OnStateChange: func(_ string, _, to gobreaker.State) { b.enter(stateOf(to), enmesh.Now()) },
	})
	b.window.clear(now)
}

// trips reports whether a closed breaker is to open at the failure that the machine is
// being told of. It runs under mu, as the machine does.
func (b *Breaker) trips(n gobreaker.Counts) bool {
	return b.tripped || b.cfg.ConsecutiveFailures != 0 && n.ConsecutiveFailures >= b.cfg.ConsecutiveFailures
}

// enter begins another era, in the state to. It runs under mu.
func (b *Breaker) enter(to State, now enmesh.Instant) {
	from := phase(b.phase.Load())
	b.row.Store(false)
	b.probes.clear()
	b.window.clear(now)
	switch {
	case to == Open && b.forced:
		b.until.Store(never)
	case to == Open:
		b.until.Store(int64(now.Add(b.cfg.OpenFor)))
	default:
		b.until.Store(0)
	}
	b.phase.Store(uint64(from.next(to, b.forced)))
	if b.onChange != nil && (from.state() != to || from.forced() != b.forced) {
		b.news = append(b.news, Change{From: from.state(), To: to, Forced: b.forced, At: now})
	}
}

// State is what the breaker does with calls now.
func (b *Breaker) State() State {
	b.mu.Lock()
	b.advance(enmesh.Now())
	s := phase(b.phase.Load()).state()
	b.mu.Unlock()
	b.tell()
	return s
}

// advance lets an open breaker become half-open when its time is over. It runs under mu.
func (b *Breaker) advance(now enmesh.Instant) {
	if p := phase(b.phase.Load()); p.state() == Open && !p.forced() && int64(now) >= b.until.Load() {
		b.machine.State()
	}
}

// Admit lets the call through, or refuses it.
func (b *Breaker) Admit(_ context.Context, c *enmesh.Call) (enmesh.Token, error) {
	p := phase(b.phase.Load())
	if p.state() == Closed {
		b.pauses.touch()
		return closedToken(p, c.Clock), nil
	}
	if int64(c.Clock) < b.until.Load() {
		return b.refuse(c, p)
	}
	b.mu.Lock()
	b.advance(c.Clock)
	p = phase(b.phase.Load())
	var t enmesh.Token
	admitted := true
	switch p.state() {
	case Closed:
		t = closedToken(p, c.Clock)
	case HalfOpen:
		t, admitted = b.probe(c.Clock)
	case Open:
		admitted = false
	}
	b.mu.Unlock()
	b.tell()
	if !admitted {
		return b.refuse(c, p)
	}
	b.pauses.touch()
	return t, nil
}

// probe gives the call a place among the probes, if one is free. It runs under mu.
func (b *Breaker) probe(now enmesh.Instant) (enmesh.Token, bool) {
	id, ok := b.probes.add(now, b.cfg.Probes, b.cfg.ProbeTimeout)
	b.until.Store(int64(b.probes.fullUntil(b.cfg.Probes, b.cfg.ProbeTimeout)))
	return probeToken(id), ok
}

// Done counts the ending: a Failure against the far side, a Success for it, and what is
// Neutral not at all. What was admitted in another state of the breaker is forgotten, as
// is a failure, or a slow answer, across which the process itself did not run.
func (b *Breaker) Done(t enmesh.Token, r enmesh.Result) {
	ended := r.Ended
	if ended == 0 {
		ended = enmesh.Now()
	}
	answered := r.Answered
	if answered == 0 {
		answered = ended
	}
	b.settle(t, r.Outcome, answered, ended)
}

// settle is Done, of a call whose head, or whose end without one, came at answered.
func (b *Breaker) settle(t enmesh.Token, o enmesh.Outcome, answered, ended enmesh.Instant) {
	if t.N == passed {
		return
	}
	id, isProbe := probeOf(t)
	if p := phase(b.phase.Load()); !isProbe && (o == enmesh.Neutral || p.forced() || !sameEra(t, p) || b.idle(o)) {
		return
	}
	b.mu.Lock()
	if isProbe {
		b.settleProbe(id, o, answered, ended)
	} else if p := phase(b.phase.Load()); sameEra(t, p) && !p.forced() {
		b.count(o, startOf(t, answered), answered, ended)
	}
	news := len(b.news) > 0
	b.mu.Unlock()
	if news {
		b.tell()
	}
}

// idle reports whether an ending changes nothing: where only failures in a row are
// counted, a success after a success.
func (b *Breaker) idle(o enmesh.Outcome) bool {
	return o == enmesh.Success && b.cfg.FailureRatio == 0 && b.cfg.SlowAfter == 0 && !b.row.Load()
}

// settleProbe gives a probe's place back and counts how it went, if it still had one.
func (b *Breaker) settleProbe(id uint64, o enmesh.Outcome, answered, ended enmesh.Instant) {
	since, ok := b.probes.remove(id)
	if !ok {
		return
	}
	b.until.Store(0)
	slow := b.isSlow(since, answered)
	if o == enmesh.Neutral || (o == enmesh.Failure || slow) && b.pauses.across(since, ended) {
		return
	}
	if o == enmesh.Failure || slow {
		b.fail(true)
		return
	}
	b.probes.won++
	b.succeed()
}

// count counts the ending of a call that a closed breaker let through.
func (b *Breaker) count(o enmesh.Outcome, start, answered, ended enmesh.Instant) {
	slow := b.isSlow(start, answered)
	if (o == enmesh.Failure || slow) && b.pauses.across(start, ended) {
		return
	}
	failed, trip := o == enmesh.Failure, false
	if b.cfg.FailureRatio != 0 || b.cfg.SlowAfter != 0 {
		b.window.add(ended, failed, slow, enmesh.Instant(b.cfg.Interval/tenths))
		trip = b.window.over(b.cfg, failed, slow)
	}
	switch {
	case failed || trip:
		b.fail(trip)
	case b.row.Load():
		b.succeed()
	}
}

func (b *Breaker) isSlow(start, answered enmesh.Instant) bool {
	return b.cfg.SlowAfter != 0 && answered.Sub(start) > b.cfg.SlowAfter
}

// What the machine is told; errors of its own, that it is not asked, are no news.
var (
	errFailure = errors.New("breaker: failure")
	failing    = func() (struct{}, error) { return struct{}{}, errFailure }
	succeeding = func() (struct{}, error) { return struct{}{}, nil }
)

// fail tells the machine of a failure, which trips it if so is said.
func (b *Breaker) fail(trip bool) {
	b.tripped = trip
	b.row.Store(true)
	_, _ = b.machine.Execute(failing)
	b.tripped = false
}

func (b *Breaker) succeed() {
	b.row.Store(false)
	_, _ = b.machine.Execute(succeeding)
}

// refuse is the refusal that says how long the breaker stays open, rounded up; a
// half-open one may close any time.
func (b *Breaker) refuse(c *enmesh.Call, p phase) (enmesh.Token, error) {
	if b.cfg.Shadow {
		if b.cfg.Recorder != nil {
			b.cfg.Recorder.Record(c, enmesh.Decision{Policy: "breaker", Action: enmesh.ActionRefuse, Shadow: true})
		}
		return enmesh.Token{N: passed}, nil
	}
	if p.state() == HalfOpen {
		return enmesh.Token{}, b.refusals[0]
	}
	left := min(enmesh.Instant(b.until.Load()).Sub(c.Clock), b.cfg.OpenFor)
	n := int((left - 1) * steps / b.cfg.OpenFor)
	return enmesh.Token{}, b.refusals[min(max(n, 0), steps-1)]
}

// steps is how finely RetryAfter divides Config.OpenFor: each step is one refusal,
// built once.
const steps = 16

func refusalsFor(openFor time.Duration) (made [steps]*enmesh.Error) {
	for i := range made {
		made[i] = &enmesh.Error{
			Code:       enmesh.Unavailable,
			Outcome:    enmesh.Neutral,
			Unsent:     true,
			Status:     503,
			Flag:       enmesh.FlagOverflow,
			Policy:     "breaker",
			RetryAfter: openFor * time.Duration(i+1) / steps,
			Err:        ErrOpen,
		}
	}
	return made
}

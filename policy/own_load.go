// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"time"

	"github.com/enmesh-go/enmesh/limit/concurrency"
	"github.com/enmesh-go/enmesh/limit/shed"
)

// ConcurrencyLimit is how many calls may run at once, to a service or on a server.
type ConcurrencyLimit struct {
	Own
	Fixed      concurrency.Config         // used unless IsAdaptive
	IsAdaptive bool                       // the limit finds itself
	Adaptive   concurrency.AdaptiveConfig // used if IsAdaptive
}

type concurrencyLimitSpec struct {
	eitherSpec
	Max      int64
	Adaptive *adaptiveSpec
	Shares   *sharesSpec
	Status   int64
}

type adaptiveSpec struct {
	Algorithm string `oneof:"GRADIENT2 VEGAS AIMD"`
	Initial   int64
	Min       int64
	Max       int64
	Tolerance float64
	Timeout   time.Duration
	Backoff   float64
}

type sharesSpec struct {
	Critical      float64
	SheddablePlus float64
	Sheddable     float64
}

const maxConcurrency = 1_000_000

func (s *concurrencyLimitSpec) check(c cursor) {
	one(c, "max", "adaptive")
	checkRange(c.field("max"), s.Max, 1, maxConcurrency)
	checkRange(c.field("status"), s.Status, 400, 599)
	if a, at := s.Adaptive, c.field("adaptive"); a != nil {
		checkRange(at.field("initial"), a.Initial, 1, maxConcurrency)
		checkRange(at.field("min"), a.Min, 1, maxConcurrency)
		checkRange(at.field("max"), a.Max, 1, maxConcurrency)
		if most := at.field("max"); most.isSet() && a.Max < a.Min {
			most.refuse("%d is less than min, %d: correct one", a.Max, a.Min)
		}
		checkRange(at.field("tolerance"), a.Tolerance, 1, 10)
		checkRange(at.field("timeout"), a.Timeout, time.Millisecond, time.Hour)
		a.checkAlgorithm(at)
		if b := at.field("backoff"); b.isSet() && !(a.Backoff >= 0.5 && a.Backoff < 1) {
			b.refuse("%v is out of range: write 0.5 or more, below 1", a.Backoff)
		}
	}
	if sh, at := s.Shares, c.field("shares"); sh != nil {
		checkAbove(at.field("critical"), sh.Critical, 1)
		checkAbove(at.field("sheddablePlus"), sh.SheddablePlus, 1)
		checkAbove(at.field("sheddable"), sh.Sheddable, 1)
	}
}

// checkAlgorithm holds that the algorithm knows the fields that are one's own.
func (s *adaptiveSpec) checkAlgorithm(c cursor) {
	has := s.Algorithm
	if has == "" {
		has = "GRADIENT2"
	}
	for name, of := range map[string]string{"tolerance": "GRADIENT2", "timeout": "AIMD"} {
		if at := c.field(name); at.isSet() && has != of {
			at.refuse("it is of %s, and the algorithm is %s: remove it, or write algorithm: %s", of, has, of)
		}
	}
}

func (s *concurrencyLimitSpec) compile(_ *builder, c cursor, own Own) any {
	var shares concurrency.Shares
	if s.Shares != nil {
		shares = concurrency.Shares(*s.Shares)
	}
	out := &ConcurrencyLimit{Own: own, IsAdaptive: s.Adaptive != nil}
	var err error
	if a := s.Adaptive; a != nil {
		algorithms := map[string]concurrency.Algorithm{"VEGAS": concurrency.Vegas, "AIMD": concurrency.AIMD}
		out.Adaptive = concurrency.AdaptiveConfig{
			Algorithm: algorithms[a.Algorithm], Initial: a.Initial, Min: a.Min, Max: a.Max,
			Tolerance: a.Tolerance, Timeout: a.Timeout, Backoff: a.Backoff, Shares: shares, Status: int(s.Status),
		}
		_, err = concurrency.NewAdaptive(out.Adaptive)
	} else {
		out.Fixed = concurrency.Config{Max: s.Max, Shares: shares, Status: int(s.Status)}
		_, err = concurrency.NewFixed(out.Fixed)
	}
	built(c, err)
	return out
}

// Shed is at which load a server sheds, and how its calls wait for their turn.
type Shed struct {
	Own
	Sheds  bool // by load
	Config shed.Config
	Queues bool // calls wait
	Queue  shed.QueueConfig
}

type shedSpec struct {
	serverSpec
	CPU      float64 `key:"cpu"`
	Delay    time.Duration
	InFlight int64
	Queue    *queueSpec
}

type queueSpec struct {
	Slots    int64
	Waiting  int64
	Interval time.Duration
	Target   time.Duration
}

func (s *shedSpec) check(c cursor) {
	checkRange(c.field("cpu"), s.CPU, 0, 1)
	checkRange(c.field("delay"), s.Delay, 10*time.Microsecond, time.Minute)
	checkRange(c.field("inFlight"), s.InFlight, 1, maxConcurrency)
	if c.field("cpu").isSet() && s.CPU == 0 && s.Delay == 0 && s.InFlight == 0 && s.Queue == nil {
		c.field("cpu").refuse("0 turns it off, and nothing else is set: add delay, inFlight or queue")
	}
	if q, at := s.Queue, c.field("queue"); q != nil {
		needed(at.field("slots"), "the number of calls that run at once")
		checkRange(at.field("slots"), q.Slots, 1, maxConcurrency)
		checkRange(at.field("waiting"), q.Waiting, 1, maxConcurrency)
		checkRange(at.field("interval"), q.Interval, time.Millisecond, time.Minute)
		checkRange(at.field("target"), q.Target, time.Millisecond, time.Minute)
	}
}

func (s *shedSpec) compile(_ *builder, c cursor, own Own) any {
	out := &Shed{Own: own, Sheds: true, Config: shed.Config{CPU: s.CPU, Delay: s.Delay, InFlight: s.InFlight}}
	if c.field("cpu").isSet() && s.CPU == 0 {
		out.Config.CPU = -1
		out.Sheds = s.Delay > 0 || s.InFlight > 0
	}
	if q := s.Queue; q != nil {
		out.Queues, out.Queue = true, shed.QueueConfig{Slots: q.Slots, Waiting: q.Waiting, Interval: q.Interval, Target: q.Target, Shadow: own.Shadow}
		_, err := shed.NewQueue(out.Queue)
		built(c.field("queue"), err)
	}
	tried := out.Config
	tried.Source = noLoad{} // its own would begin to measure
	_, err := shed.New(tried)
	built(c, err)
	return out
}

// noLoad is a source for a shedder that sheds nothing.
type noLoad struct{}

func (noLoad) Load() shed.Load { return shed.Load{CPU: -1, Delay: -1} }

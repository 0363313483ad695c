// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

// row is one policy in the comparison; another is added to a group.
type row struct {
	Name    string
	Title   string
	Refuses bool       // nothing is admitted, or next to nothing
	Versus  string     // the row of the same group that it is compared with, "" if none
	Limit   [2]float64 // what the ratio is to stay under, with one goroutine and with two; 0 if nothing is promised
	MaxNS   float64    // what one ask is to stay under, 0 if nothing is promised
	Allocs  float64    // what one ask of ours may allocate
	Make    func() (*subject, error)
}

// subject is a policy that is ready to be measured.
type subject struct {
	worker func() loop // for each goroutine
	close  func()      // nil: nothing to close
	perKey float64     // bytes of memory for each key, 0 if there are no keys
}

// loop asks so often, and counts how often it was admitted.
type loop func(count int) (admitted int)

// group is what is compared.
type group struct {
	Name string
	Rows []row
}

// title is that of the row of a name, "" if there is none.
func (g *group) title(name string) string {
	for i := range g.Rows {
		if g.Rows[i].Name == name {
			return g.Rows[i].Title
		}
	}
	return ""
}

func both(limit float64) [2]float64 { return [2]float64{limit, limit} }

// groups is all there is to compare, with so many keys where there are keys.
func groups(all callers) []group {
	return []group{
		{"breaker, call admitted", []row{
			{Name: "gobreaker", Title: "gobreaker, two steps", Make: gobreakerTwoStep(false)},
			{Name: "enmesh", Title: "enmesh breaker, in a row", Versus: "gobreaker", Limit: both(1.15), Make: ourBreaker(false, 0)},
			{Name: "enmesh-ratio", Title: "enmesh breaker, by ratio", Versus: "gobreaker", Limit: both(1.15), Make: ourBreaker(false, 0.5)},
			{Name: "failsafe", Title: "failsafe-go breaker, by ratio", Versus: "gobreaker", Make: failsafeBreaker(false)},
			{Name: "kratos", Title: "kratos aegis breaker", Versus: "gobreaker", Make: kratosBreaker(false)},
			{Name: "go-zero", Title: "go-zero breaker", Versus: "gobreaker", Make: goZeroBreaker(false)},
			{Name: "sentinel", Title: "sentinel breaker rule", Versus: "gobreaker", Make: sentinelBreaker(false)},
		}},
		{"breaker, call refused", []row{
			{Name: "gobreaker", Title: "gobreaker, two steps", Refuses: true, Make: gobreakerTwoStep(true)},
			{Name: "enmesh", Title: "enmesh breaker", Refuses: true, Versus: "gobreaker", Limit: both(1.15), Make: ourBreaker(true, 0)},
			{Name: "failsafe", Title: "failsafe-go breaker", Refuses: true, Versus: "gobreaker", Make: failsafeBreaker(true)},
			{Name: "kratos", Title: "kratos aegis breaker", Refuses: true, Versus: "gobreaker", Make: kratosBreaker(true)},
			{Name: "go-zero", Title: "go-zero breaker", Refuses: true, Versus: "gobreaker", Make: goZeroBreaker(true)},
			{Name: "sentinel", Title: "sentinel breaker rule", Refuses: true, Versus: "gobreaker", Make: sentinelBreaker(true)},
		}},
		{"token bucket, call admitted", []row{
			{Name: "rate", Title: "x/time/rate", Make: timeRate(false)},
			{Name: "enmesh", Title: "enmesh TokenBucket", Versus: "rate", Limit: both(1.1), Make: ourTokenBucket(false)},
			{Name: "failsafe", Title: "failsafe-go bursty", Versus: "rate", Make: failsafeBursty(false)},
			{Name: "sentinel", Title: "sentinel flow rule", Versus: "rate", Make: sentinelFlow(false)},
		}},
		{"token bucket, call refused", []row{
			{Name: "rate", Title: "x/time/rate", Refuses: true, Make: timeRate(true)},
			{Name: "enmesh", Title: "enmesh TokenBucket", Refuses: true, Versus: "rate", Limit: both(1.1), Make: ourTokenBucket(true)},
			{Name: "failsafe", Title: "failsafe-go bursty", Refuses: true, Versus: "rate", Make: failsafeBursty(true)},
			{Name: "sentinel", Title: "sentinel flow rule", Refuses: true, Versus: "rate", Make: sentinelFlow(true)},
		}},
		{"leaky bucket and windows, call admitted", []row{
			{Name: "word", Title: "one word, compared and swapped", Make: bareWord(false)},
			{Name: "leaky", Title: "enmesh LeakyBucket", Versus: "word", Limit: both(1.5), Make: ourLeakyBucket(false)},
			{Name: "fixed", Title: "enmesh FixedWindow", Versus: "word", Limit: both(1.5), Make: ourFixedWindow(false)},
			{Name: "counter", Title: "enmesh SlidingCounter", Versus: "word", Limit: both(1.5), Make: ourSlidingCounter(false)},
			{Name: "log", Title: "enmesh SlidingLog", Versus: "word", Limit: both(1.5), Make: ourSlidingLog(false)},
			{Name: "uber", Title: "go.uber.org/ratelimit", Versus: "word", Make: uberTake},
			{Name: "failsafe", Title: "failsafe-go smooth", Versus: "word", Make: failsafeSmooth},
		}},
		{"leaky bucket and windows, call refused", []row{
			{Name: "word", Title: "one word, compared and swapped", Refuses: true, Make: bareWord(true)},
			{Name: "leaky", Title: "enmesh LeakyBucket", Refuses: true, Versus: "word", Limit: both(1.5), Make: ourLeakyBucket(true)},
			{Name: "fixed", Title: "enmesh FixedWindow", Refuses: true, Versus: "word", Limit: both(1.5), Make: ourFixedWindow(true)},
			{Name: "counter", Title: "enmesh SlidingCounter", Refuses: true, Versus: "word", Limit: both(1.5), Make: ourSlidingCounter(true)},
			{Name: "log", Title: "enmesh SlidingLog", Refuses: true, Versus: "word", Limit: both(1.5), Make: ourSlidingLog(true)},
		}},
		{"calls at once, admitted and released", []row{
			{Name: "failsafe", Title: "failsafe-go bulkhead", Make: failsafeBulkhead(false)},
			{Name: "enmesh", Title: "enmesh Fixed", Versus: "failsafe", Make: ourFixed(false)},
			{Name: "go-zero", Title: "go-zero syncx.Limit", Versus: "failsafe", Make: goZeroLimit(false)},
			{Name: "sentinel", Title: "sentinel isolation rule", Versus: "failsafe", Make: sentinelIsolation(false)},
		}},
		{"calls at once, call refused", []row{
			{Name: "failsafe", Title: "failsafe-go bulkhead", Refuses: true, Make: failsafeBulkhead(true)},
			{Name: "enmesh", Title: "enmesh Fixed", Refuses: true, Versus: "failsafe", Make: ourFixed(true)},
			{Name: "go-zero", Title: "go-zero syncx.Limit", Refuses: true, Versus: "failsafe", Make: goZeroLimit(true)},
			{Name: "sentinel", Title: "sentinel isolation rule", Refuses: true, Versus: "failsafe", Make: sentinelIsolation(true)},
		}},
		{"adaptive, admitted and measured", []row{
			{Name: "failsafe", Title: "failsafe-go adaptive limiter", Make: failsafeAdaptive(false)},
			{Name: "enmesh", Title: "enmesh Adaptive", Versus: "failsafe", Make: ourAdaptive(false)},
			{Name: "enmesh-shed", Title: "enmesh Shedder", Versus: "failsafe", Make: ourShedder(false)},
			{Name: "go-zero", Title: "go-zero adaptive shedder", Versus: "failsafe", Make: goZeroShedder},
			{Name: "kratos", Title: "kratos aegis bbr", Versus: "failsafe", Make: kratosBBR},
		}},
		{"adaptive, call refused", []row{
			{Name: "failsafe", Title: "failsafe-go adaptive limiter", Refuses: true, Make: failsafeAdaptive(true)},
			{Name: "enmesh", Title: "enmesh Adaptive", Refuses: true, Versus: "failsafe", Make: ourAdaptive(true)},
			{Name: "enmesh-shed", Title: "enmesh Shedder", Refuses: true, Versus: "failsafe", Make: ourShedder(true)},
		}},
		{"a million keys", []row{
			{Name: "open", Title: "open table of words, hash given", Make: all.openTable(false)},
			{Name: "enmesh", Title: "enmesh Keyed", Versus: "open", Limit: [2]float64{1.5, 1.6}, Make: all.ourKeyed(false)},
			{Name: "map", Title: "map of x/time/rate, one mutex", Versus: "open", Make: all.mapOfRates(false)},
		}},
		{"a million keys, call refused", []row{
			{Name: "open", Title: "open table of words, hash given", Refuses: true, Make: all.openTable(true)},
			{Name: "enmesh", Title: "enmesh Keyed", Refuses: true, Versus: "open", Make: all.ourKeyed(true)},
			{Name: "map", Title: "map of x/time/rate, one mutex", Refuses: true, Versus: "open", Make: all.mapOfRates(true)},
		}},
		{"retry, first attempt succeeds", []row{
			{Name: "failsafe", Title: "failsafe-go retry policy", Make: failsafeRetry},
			{Name: "enmesh", Title: "enmesh retry", Versus: "failsafe", MaxNS: 20, Make: ourRetry},
		}},
		{"hedge, first attempt in time", []row{
			{Name: "failsafe", Title: "failsafe-go hedge policy", Make: failsafeHedge},
			{Name: "enmesh", Title: "enmesh hedge", Versus: "failsafe", Allocs: 14, Make: ourHedge},
		}},
		{"retry budget", []row{
			{Name: "deposit", Title: "enmesh Budget, paid in", Make: ourDeposit},
			{Name: "refused", Title: "enmesh Budget, refused", Refuses: true, Make: ourTake},
		}},
		{"throttle, call admitted", []row{
			{Name: "failsafe", Title: "failsafe-go adaptive throttler", Make: failsafeThrottler(false)},
			{Name: "enmesh", Title: "enmesh throttle", Versus: "failsafe", Make: ourThrottle(false)},
		}},
		{"throttle, call refused", []row{
			{Name: "failsafe", Title: "failsafe-go adaptive throttler", Refuses: true, Make: failsafeThrottler(true)},
			{Name: "enmesh", Title: "enmesh throttle", Refuses: true, Versus: "failsafe", Make: ourThrottle(true)},
		}},
	}
}

// ask is a subject that every goroutine asks by the same function.
func ask(f func() bool) *subject {
	return &subject{worker: func() loop { return repeat(f) }}
}

func repeat(f func() bool) loop {
	return func(count int) (admitted int) {
		for range count {
			if f() {
				admitted++
			}
		}
		return admitted
	}
}

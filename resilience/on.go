// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package resilience

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/statusset"
)

// On is a set of endings of a call: what a policy acts on. It is comparable. The zero
// On is the empty set. Make one with [ParseOn].
//
// Package retry has a set of its own, with Istio's words, which speak of attempts.
type On struct {
	kinds    onKind
	codes    uint32 // bit n is code n
	statuses statusset.Set
}

type onKind uint8

const (
	onFailure onKind = 1 << iota
	onRefused
	onNoAnswer
	on5xx
)

var onWords = []struct {
	word string
	kind onKind
}{
	{"failure", onFailure},
	{"refused", onRefused},
	{"no-answer", onNoAnswer},
	{"5xx", on5xx},
}

// ParseOn reads words, separated by commas; spaces round them and empty parts are
// ignored. They are
//
//	failure            whatever speaks against the far side: enmesh.Failure
//	refused            a policy of this process refused: a breaker, a throttle, a limit
//	no-answer          a Failure without an answer: connecting failed, a reset, a timeout, no endpoint
//	5xx                the far side answered with 500 to 599
//	100 to 599         the far side answered with that HTTP status
//	unavailable, ...   the far side answered with that code, in gRPC's spelling with hyphens;
//	                   an HTTP status stands for one (503 is unavailable, 429 resource-exhausted)
func ParseOn(s string) (On, error) {
	var o On
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if !o.addWord(part) && !o.statuses.Parse(part) {
			return On{}, fmt.Errorf("resilience: %q is no ending of a call: a word, a code or an HTTP status", part)
		}
	}
	return o, nil
}

// MustOn is ParseOn for words that are known to be right; it panics on others.
func MustOn(s string) On {
	o, err := ParseOn(s)
	if err != nil {
		panic(err)
	}
	return o
}

func (o *On) addWord(word string) bool {
	for _, w := range onWords {
		if w.word == word {
			o.kinds |= w.kind
			return true
		}
	}
	if word != strings.ToLower(word) || strings.Contains(word, "_") {
		return false
	}
	code, ok := enmesh.ParseCode(strings.ReplaceAll(strings.ToUpper(word), "-", "_"))
	if !ok || code == enmesh.OK {
		return false
	}
	o.codes |= 1 << code
	return true
}

// String is o as [ParseOn] reads it, in one canonical order.
func (o On) String() string {
	var parts []string
	for _, w := range onWords {
		if o.kinds&w.kind != 0 {
			parts = append(parts, w.word)
		}
	}
	for code := enmesh.Canceled; code <= enmesh.Unauthenticated; code++ {
		if o.codes&(1<<code) != 0 {
			parts = append(parts, strings.ReplaceAll(strings.ToLower(code.String()), "_", "-"))
		}
	}
	for status := range o.statuses.All() {
		parts = append(parts, strconv.Itoa(status))
	}
	return strings.Join(parts, ",")
}

// Has reports whether the ending err is one of the set. No success is.
func (o *On) Has(err error) bool {
	if err == nil {
		return false
	}
	e := enmesh.ErrorOf(err)
	if e == nil {
		return o.kinds&onFailure != 0 && enmesh.OutcomeOf(err) == enmesh.Failure
	}
	if e.Outcome == enmesh.Failure && o.kinds&onFailure != 0 {
		return true
	}
	if e.Policy != "" && e.Outcome == enmesh.Neutral {
		return o.kinds&onRefused != 0
	}
	if !Answered(e) {
		return o.kinds&onNoAnswer != 0 && e.Outcome == enmesh.Failure
	}
	return o.hasCode(e.Code) || o.statuses.Has(e.Status) || e.Status >= 500 && o.kinds&on5xx != 0
}

// Blames reports what of o speaks of the caller's own faults: codes and statuses that
// are Neutral when the far side answers with them.
func (o On) Blames() On {
	var own On
	for code := enmesh.Canceled; code <= enmesh.Unauthenticated; code++ {
		if o.hasCode(code) && enmesh.OutcomeOfCode(code) == enmesh.Neutral {
			own.codes |= 1 << code
		}
	}
	for status := range o.statuses.All() {
		if enmesh.OutcomeOfCode(enmesh.CodeOfStatus(status)) != enmesh.Failure {
			own.statuses.Add(status)
		}
	}
	return own
}

// Answered reports whether e is what the far side itself answered. Where no answer came,
// the adapter says so by a flag, and a policy by its name; a used-up retry adds its flag
// to the last answer.
func Answered(e *enmesh.Error) bool {
	return e.Policy == "" && (e.Flag == "" || e.Flag == enmesh.FlagRetriesExhausted)
}

func (o *On) hasCode(c enmesh.Code) bool { return c < 32 && o.codes&(1<<c) != 0 }

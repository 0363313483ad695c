// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"context"
	"fmt"
)

// Criticality is how much a call matters, for whoever must refuse some: those that
// matter least go first. The four levels are those of "Site Reliability Engineering"
// (Beyer and others, 2016, chapter 21). They are ordered.
type Criticality uint8

// The levels. A call that says nothing is Critical, the zero Criticality.
const (
	Critical      Criticality = 0 // the default: its loss is seen by a user
	CriticalPlus  Criticality = 1 // its loss is a serious one: the last to go
	SheddablePlus Criticality = 2 // may fail for minutes: batch work that is tried again
	Sheddable     Criticality = 3 // may fail often: the first to go
)

// CriticalityHeader carries the level from hop to hop, over both protocols.
const CriticalityHeader = "Enmesh-Criticality"

var criticalities = [...]string{"CRITICAL", "CRITICAL_PLUS", "SHEDDABLE_PLUS", "SHEDDABLE"}

// String is the level as the header has it: "CRITICAL_PLUS".
func (c Criticality) String() string {
	if int(c) < len(criticalities) {
		return criticalities[c]
	}
	return fmt.Sprintf("CRITICALITY(%d)", uint8(c))
}

// Rank orders the levels: 0 is the first to go, SHEDDABLE, and 3 the last,
// CRITICAL_PLUS. What is no level ranks with Critical.
func (c Criticality) Rank() int {
	switch c {
	case CriticalPlus:
		return 3
	case SheddablePlus:
		return 1
	case Sheddable:
		return 0
	case Critical:
	}
	return 2
}

// ParseCriticality reads a level as String writes it.
func ParseCriticality(s string) (Criticality, bool) {
	for i, name := range criticalities {
		if s == name {
			return Criticality(i), true
		}
	}
	return Critical, false
}

type criticalityKey struct{}

// WithCriticality is a context whose calls are of level c, on this hop and, where the
// chain carries it on, on all after it.
func WithCriticality(ctx context.Context, c Criticality) context.Context {
	if c == CriticalityOf(ctx) {
		return ctx
	}
	return context.WithValue(ctx, criticalityKey{}, c)
}

// CriticalityOf is the level of the calls made under ctx.
func CriticalityOf(ctx context.Context) Criticality {
	c, _ := ctx.Value(criticalityKey{}).(Criticality)
	return c
}

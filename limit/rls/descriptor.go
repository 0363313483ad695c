// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"

	"github.com/enmesh-go/enmesh"
)

// Descriptor says what of a call the service is to look at: each action gives an entry, in
// order. A call for which one of them has nothing to give has no such descriptor, and a
// call with no descriptors is not limited, as in Envoy.
type Descriptor []Action

// An Action makes an entry of a descriptor.
type Action interface {
	Entry(c *enmesh.Call) (Entry, Effect)
}

// Entry is a key and its value, as the service's configuration has them.
type Entry struct{ Key, Value string }

// Effect is what an action makes of a descriptor.
type Effect uint8

// The effects.
const (
	Add  Effect = iota // the entry belongs to it
	Skip               // it does without this entry
	Drop               // the call has no such descriptor
)

// ActionFunc is a function as an Action.
type ActionFunc func(c *enmesh.Call) (Entry, Effect)

// Entry calls f.
func (f ActionFunc) Entry(c *enmesh.Call) (Entry, Effect) { return f(c) }

// checker is an Action that may make no sense.
type checker interface{ check() error }

func (d Descriptor) check() error {
	if len(d) == 0 {
		return errors.New("it has no actions")
	}
	for i, a := range d {
		if a == nil {
			return fmt.Errorf("action %d is nil", i)
		}
		if k, ok := a.(checker); ok {
			if err := k.check(); err != nil {
				return fmt.Errorf("action %d: %w", i, err)
			}
		}
	}
	return nil
}

// of is the descriptor of the call, or nil.
func (d Descriptor) of(c *enmesh.Call) *common.RateLimitDescriptor {
	out := &common.RateLimitDescriptor{Entries: make([]*common.RateLimitDescriptor_Entry, 0, len(d))}
	for _, a := range d {
		e, effect := a.Entry(c)
		switch effect {
		case Add:
			out.Entries = append(out.Entries, &common.RateLimitDescriptor_Entry{Key: e.Key, Value: legal(e.Value)})
		case Skip:
		default:
			return nil
		}
	}
	if len(out.Entries) == 0 {
		return nil
	}
	return out
}

// maxValue bounds the value of an entry, in bytes.
const maxValue = 4096

// legal is a value that the service can be sent: a caller must not escape his limit by one
// that it cannot, such as a header that is not UTF-8, or a huge one.
func legal(value string) string {
	if len(value) > maxValue {
		value = value[:maxValue]
	}
	if utf8.ValidString(value) {
		return value
	}
	return strings.ToValidUTF8(value, "\uFFFD")
}

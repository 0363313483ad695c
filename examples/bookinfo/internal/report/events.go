// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"sync"
	"time"
)

// maxEvents is how many events are kept to be shown.
const maxEvents = 6

// maxErrors is how many errors are kept for the end.
const maxErrors = 1000

// Event is something that was said about the policies.
type Event struct {
	At   time.Time
	Text string
}

// String is the event as one line.
func (e Event) String() string { return e.At.Format(time.TimeOnly) + "  " + e.Text }

// Events keeps what was said. The zero Events is ready.
type Events struct {
	mu     sync.Mutex // guards latest, errors
	latest []Event
	errors []string
}

// Say notes an event.
func (e *Events) Say(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.say(text)
}

// Refused notes an error in a policy, one event a line.
func (e *Events) Refused(lines ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, line := range lines {
		e.say("policy refused: " + line)
		if len(e.errors) < maxErrors {
			e.errors = append(e.errors, line)
		}
	}
}

// say needs mu.
func (e *Events) say(text string) {
	e.latest = append(e.latest, Event{At: time.Now(), Text: text})
	if extra := len(e.latest) - maxEvents; extra > 0 {
		e.latest = slices.Delete(e.latest, 0, extra)
	}
}

// Latest is the last few events, the latest last.
func (e *Events) Latest() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.latest)
}

// Errors is every error in a policy so far; never nil.
func (e *Events) Errors() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string{}, e.errors...)
}

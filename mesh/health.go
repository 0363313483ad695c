// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"net/http"
	"sync"
)

// Phase is where a process stands between its start and its end.
type Phase string

// The phases, in their order. Only PhaseReady is ready for calls; a process that is
// leaving still serves them.
const (
	PhaseStarting Phase = "starting"
	PhaseReady    Phase = "ready"
	PhaseLeaving  Phase = "leaving"  // it tells everybody to go elsewhere
	PhaseDraining Phase = "draining" // it finishes what it has
	PhaseStopped  Phase = "stopped"
)

// Health is what a process says of its own fitness, to whoever asks: over HTTP by
// Handler, over gRPC by meshgrpc.RegisterHealth. It begins as PhaseStarting. [Run]
// moves it along; a program that serves without Run calls Set itself. All methods may
// be called by any number of goroutines.
type Health struct {
	mu       sync.Mutex // guards what follows
	phase    Phase
	unfit    bool
	ending   bool          // the process's certificate is about to end
	changed  chan struct{} // closed and replaced on each change
	draining chan struct{} // closed in PhaseDraining
	drained  bool          // draining is closed
}

func newHealth() *Health {
	return &Health{phase: PhaseStarting, changed: make(chan struct{}), draining: make(chan struct{})}
}

// Phase is the present phase.
func (h *Health) Phase() Phase {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.phase
}

// Set moves on to a phase. It does not go back: a phase before the present one
// changes nothing.
func (h *Health) Set(p Phase) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if rank(p) <= rank(h.phase) {
		return
	}
	h.phase = p
	if rank(p) >= rank(PhaseDraining) && !h.drained {
		h.drained = true
		close(h.draining)
	}
	h.tell()
}

// SetFit is the program's own say: a process that is not fit (its database is away)
// is not ready, whatever its phase. It begins fit. Registrations are not withdrawn.
func (h *Health) SetFit(fit bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.unfit != fit {
		return
	}
	h.unfit = !fit
	h.tell()
}

// certify says whether the process's certificate is good for a while longer.
func (h *Health) certify(good bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ending != good {
		return
	}
	h.ending = !good
	h.tell()
}

// tell wakes who waits for a change; mu is held.
func (h *Health) tell() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// Ready reports whether calls should be sent here; changed is closed when that may
// be different.
func (h *Health) Ready() (ready bool, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.phase == PhaseReady && !h.unfit && !h.ending, h.changed
}

// Draining is closed when the process begins to finish what it has: whoever watches
// for as long as it lives ends now.
func (h *Health) Draining() <-chan struct{} { return h.draining }

// Handler answers GET /healthz with 200 as long as the process can answer at all, and
// /readyz with 200 while it is ready, else with 503. The text is the phase; "unfit"
// where the program said so; "certificate about to end" where the process's certificate
// has a twentieth of its life left or less, and no newer one has come.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, h.text())
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		status := http.StatusServiceUnavailable
		if ready, _ := h.Ready(); ready {
			status = http.StatusOK
		}
		answer(w, status, h.text())
	})
	return mux
}

func (h *Health) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.phase != PhaseReady:
	case h.unfit:
		return "unfit"
	case h.ending:
		return "certificate about to end"
	}
	return string(h.phase)
}

func answer(w http.ResponseWriter, status int, text string) {
	head := w.Header()
	head.Set("Content-Type", "text/plain; charset=utf-8")
	head.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // who asks may be gone
}

func rank(p Phase) int {
	switch p {
	case PhaseStarting:
		return 0
	case PhaseReady:
		return 1
	case PhaseLeaving:
		return 2
	case PhaseDraining:
		return 3
	}
	return 4
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"errors"
	"fmt"
	"time"
)

// DefaultDrain is how long [Mesh.Close] waits for calls in flight, unless [WithDrain]
// says otherwise.
const DefaultDrain = 5 * time.Second

// ErrInFlight is in the error of a [Mesh.Close] that did not wait for all calls to end.
var ErrInFlight = errors.New("mesh: closed with calls in flight")

// WithDrain bounds how long [Mesh.Close] waits for the calls in flight to end. 0 is
// [DefaultDrain]; with less Close does not wait for them, nor say that there were any.
func WithDrain(d time.Duration) Option { return optionFunc(func(cfg *config) { cfg.drain = d }) }

// Close waits for the calls in flight, ends what Open started and waits for that: the
// watches of policy and registry, and mirrored calls.
//
// It waits for the calls that this process makes, to their true end (an answer's body read or
// closed, a stream ended), and for those that it serves, unless [Run] has waited for these
// before. While it waits all is as it was, new calls included: end the servers and stop making calls
// first. After the time of [WithDrain] it goes on, and the error is [ErrInFlight]; calls
// that are still in flight are not cut. Calls made afterwards see the last state. The error may
// also say that a snapshot could not be written (see [WithSnapshotDir]).
func (m *Mesh) Close() error {
	left := m.drain()
	m.cancel()
	m.wait.Wait()
	mirrored := m.mirror.Close()
	m.source.close()
	m.cfg.registry.Unregister((*selfMetrics)(m))
	return errors.Join(left, mirrored, m.table.Close(), m.served.close(), m.dialer.outside.close(), m.names.Close(), m.cache.close())
}

// drain waits for the calls in flight.
func (m *Mesh) drain() error {
	bound := m.cfg.drain
	switch {
	case bound == 0:
		bound = DefaultDrain
	case bound < 0:
		return nil
	}
	timeUp, look := time.NewTimer(bound), time.NewTicker(idlePoll)
	defer timeUp.Stop()
	defer look.Stop()
	for {
		made, served := m.calling.calls.Load(), int64(0)
		if m.health.Phase() != PhaseStopped {
			served = m.InFlight()
		}
		if made <= 0 && served <= 0 {
			return nil
		}
		select {
		case <-look.C:
		case <-timeUp.C:
			return fmt.Errorf("%w: %d made and %d served, after %v", ErrInFlight, made, served, bound)
		}
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"log/slog"
	"maps"
	"sync"

	"github.com/enmesh-go/enmesh/agent/translate"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/policy"
)

// verdicts tells the log what policy does not do for the clients there are: once for each
// change, and once for each kind of client, however often clients come and go.
type verdicts struct {
	log  *slog.Logger
	wake chan struct{} // has room for one

	mu      sync.Mutex // guards what follows
	current *policy.Snapshot
	changed bool                     // current did, or clients
	clients map[policy.Enforcer]bool // that were seen
	version string                   // of policy, that heard is of
	notes   []translate.Note         // to be told
	heard   map[translate.Note]bool  // under the present policy; no more than most
	told    map[verdict]bool         // of the present policy
}

// most is how many notes are kept: to be told, while the log does not keep up, and as heard.
const most = 10_000

// verdict is one line.
type verdict struct {
	client policy.Enforcer
	text   string
}

func newVerdicts(log *slog.Logger) *verdicts {
	return &verdicts{
		log: log, wake: make(chan struct{}, 1), clients: map[policy.Enforcer]bool{}, heard: map[translate.Note]bool{}, told: map[verdict]bool{},
	}
}

// policy takes what comes into force now, before anybody has resources of it.
func (v *verdicts) policy(s *policy.Snapshot) {
	v.mu.Lock()
	if v.version != s.Version {
		v.version, v.heard = s.Version, map[translate.Note]bool{}
	}
	v.current, v.changed = s, true
	v.mu.Unlock()
	v.rouse()
}

// seen takes that there is a client of a kind.
func (v *verdicts) seen(e policy.Enforcer) {
	v.mu.Lock()
	news := !v.clients[e]
	v.clients[e], v.changed = true, v.changed || news
	v.mu.Unlock()
	if news {
		v.rouse()
	}
}

// note takes what is to be said of a resource, which is told unless it was under this very
// policy: a note comes again with the client that its resource is for. It does not block.
func (v *verdicts) note(n translate.Note) {
	v.mu.Lock()
	if !v.heard[n] && len(v.notes) < most {
		v.notes = append(v.notes, n)
		v.hear(n)
	}
	v.mu.Unlock()
	v.rouse()
}

// standing takes the notes that the present policy has, those that were told under the one
// before included.
func (v *verdicts) standing(list []translate.Note) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, n := range list {
		v.hear(n)
	}
}

// hear remembers a note. v.mu is held.
func (v *verdicts) hear(n translate.Note) {
	if len(v.heard) < most {
		v.heard[n] = true
	}
}

func (v *verdicts) rouse() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// run writes until ctx ends.
func (v *verdicts) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.wake:
			v.tell(ctx)
		}
	}
}

func (v *verdicts) tell(ctx context.Context) {
	v.mu.Lock()
	s, clients, notes, changed := v.current, maps.Clone(v.clients), v.notes, v.changed
	v.notes, v.changed = nil, false
	v.mu.Unlock()
	for _, n := range notes {
		v.log.WarnContext(ctx, "agent: "+n.String(), "verdict", n.Verdict.String())
	}
	if s == nil || !changed {
		return
	}
	now := make(map[verdict]bool, len(v.told))
	for e := range clients {
		for _, f := range s.FindingsFor(e) {
			if f.Verdict == policy.Enforced {
				continue
			}
			one := verdict{e, f.String()}
			if !v.told[one] && !now[one] {
				v.log.WarnContext(ctx, "agent: "+one.text, "client", e.String(), "verdict", f.Verdict.String())
			}
			now[one] = true
		}
	}
	v.told = now // only this goroutine uses it
}

// noticing is a catalog that tells verdicts who asks.
type noticing struct {
	xds.Catalog
	verdicts *verdicts
}

// Watch implements [xds.Catalog].
func (c noticing) Watch(n *xds.Node, k xds.Kind, name string, w xds.Watcher) {
	c.verdicts.seen(translate.EnforcerOf(n.Client))
	c.Catalog.Watch(n, k, name, w)
}

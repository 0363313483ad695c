// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// guard adds the panic threshold of a cluster to its algorithm: as Envoy, in each
// tier by itself where there are tiers.
func guard(percent uint32, inner Algorithm) Algorithm {
	percent = min(percent, 100)
	return func(eps []*Endpoint) Picker {
		p := inner(eps)
		l, ok := p.(*levels)
		if !ok {
			if len(eps) == 0 {
				return p
			}
			l = &levels{cluster: eps[0].Cluster(), tiers: oneTier(eps), inner: inner, random: sourceOf(eps, nil)}
			l.tiers[0].picker = p
		}
		l.threshold = percent
		l.shares.Store(l.sum(enmesh.Now()))
		return l
	}
}

// oneTier is a list without tiers.
func oneTier(eps []*Endpoint) []tier {
	return []tier{{group: group{listed: eps, all: present(eps)}}}
}

// inPanic says which tiers pick from all of their endpoints, the bad ones too: none while
// all tiers together can take the load, and whatever the threshold all when nothing is
// left in any of them but bad ones. While some are about to end it is for pickers to find
// those first.
func inPanic(tallies []tally, threshold uint32) []bool {
	panics := make([]bool, len(tallies))
	var health float64
	var together tally
	for i := range tallies {
		health += tallies[i].health()
		together.add(tallies[i])
	}
	if health >= 1-negligible {
		return panics
	}
	if together.healthy+together.ending == 0 {
		threshold = 100
	}
	for i := range tallies {
		t := &tallies[i]
		panics[i] = threshold > 0 && (t.total == 0 || t.healthy*100 < int(threshold)*t.total)
	}
	return panics
}

func all(panics []bool) bool {
	for _, p := range panics {
		if !p {
			return false
		}
	}
	return true
}

// panicPicker is the picker over all endpoints of a tier that are connected. It is kept;
// busy is held.
func (l *levels) panicPicker(t *tier) Picker {
	if t.panic == nil {
		t.panic = l.inner(anyHealth(t.listed))
	}
	return t.panic
}

// anyHealth makes views for which health does not matter: they are ready whenever the
// endpoints they stand for are connected and take calls. Whatever picks one gives the
// endpoint itself.
func anyHealth(eps []*Endpoint) []*Endpoint {
	views := make([]Endpoint, len(eps))
	list := make([]*Endpoint, len(eps))
	for i, e := range eps {
		v := &views[i]
		v.host, v.attachment, v.origin = e.host, e.attachment, e
		list[i] = v
	}
	return list
}

// answers reports whether e is connected and takes new calls, whatever its health.
func (e *Endpoint) answers() bool {
	if !e.ready.Load() {
		return false
	}
	barred := e.host.barred.Load()
	return barred&^passing == 0 && (barred&closing == 0 || !e.host.isClosing(enmesh.Now()))
}

// itself is the endpoint that a view of anyHealth stands for.
func (e *Endpoint) itself() *Endpoint {
	if e.origin != nil {
		return e.origin
	}
	return e
}

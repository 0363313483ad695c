// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh/resilience/breaker"
)

// BreakerStatus is how one breaker of a CircuitBreaker document stands.
type BreakerStatus struct {
	Service string `json:"service"`         // its key
	Route   string `json:"route,omitempty"` // "": it is for all calls to the service
	State   string `json:"state"`           // "closed", "half-open" or "open"
	Forced  bool   `json:"forced"`          // it stays so until it is forced otherwise or reset
	Shadow  bool   `json:"shadow"`          // it refuses nothing, and counts what it would
}

// Breakers are the breakers of CircuitBreaker documents, by service and route. One for a
// service that no VirtualService names is there when the service has been called.
func (m *Mesh) Breakers() []BreakerStatus {
	found := m.table.current.Load().store.breakers()
	out := make([]BreakerStatus, 0, len(found))
	for _, b := range found {
		out = append(out, BreakerStatus{b.service, b.route, b.State().String(), b.Forced(), b.shadow})
	}
	slices.SortFunc(out, func(a, b BreakerStatus) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Route, b.Route))
	})
	return out
}

// Breaker is that of a CircuitBreaker document for calls to a service, or nil: it can be
// watched, held open or closed ([breaker.Breaker.ForceOpen], ForceClosed) and reset. The
// service is named as in a call; route is the name of a route where the document says per:
// ROUTE, else "". What is forced stays over a reload, unless the document itself is edited:
// that makes another breaker.
func (m *Mesh) Breaker(service, route string) *breaker.Breaker {
	key := m.naming.Key(service)
	if p := m.policies.inForce.Load(); p.Outbound(key).Breaker == nil {
		return nil
	}
	s := m.table.current.Load()
	m.table.find(s, key) // which makes its routes
	for _, b := range s.store.breakers() {
		if b.service == key && b.route == route {
			return b.Breaker
		}
	}
	return nil
}

// keptBreaker is a breaker in its place.
type keptBreaker struct {
	*breaker.Breaker
	service, route string
	shadow         bool
}

// breakerOwner is the end of the owner of a breaker: that of a service, or of a route.
const breakerOwner = "/breaker"

// breakers are those that the snapshot keeps.
func (st *Store) breakers() []keptBreaker {
	st.mu.Lock()
	defer st.mu.Unlock()
	var out []keptBreaker
	for key, state := range st.next {
		b, is := state.(*breaker.Breaker)
		cfg, made := key.cfg.(breaker.Config)
		owner, ok := strings.CutSuffix(key.owner, breakerOwner)
		if is && made && ok {
			service, route, _ := strings.Cut(owner, "/")
			out = append(out, keptBreaker{b, service, route, cfg.Shadow})
		}
	}
	return out
}

// breakerList is an answer of /breakers.
type breakerList struct {
	Breakers []BreakerStatus `json:"breakers"`
}

// WriteText writes a line for each.
func (l *breakerList) WriteText(w io.Writer) error {
	p := &printer{w: w}
	if len(l.Breakers) == 0 {
		p.line("no breakers")
	}
	for _, b := range l.Breakers {
		line := b.Service
		if b.Route != "" {
			line += " route " + b.Route
		}
		line += ": " + b.State
		if b.Forced {
			line += ", forced"
		}
		if b.Shadow {
			line += ", in shadow"
		}
		p.line("%s", line)
	}
	return p.err
}

// breakersAnswer is how all of them stand.
func (m *Mesh) breakersAnswer(*http.Request, url.Values) (texter, error) {
	return &breakerList{m.Breakers()}, nil
}

// breakerSet does with one of them what values say, and is how all of them stand then.
func (m *Mesh) breakerSet(r *http.Request, values url.Values) (texter, error) {
	service, route := values.Get("service"), values.Get("route")
	if service == "" {
		return nil, errors.New("mesh: no service is named: add service=NAME and, where it is per: ROUTE, route=NAME")
	}
	b := m.Breaker(service, route)
	if b == nil {
		return nil, fmt.Errorf("mesh: no CircuitBreaker is for service %q, route %q: GET /breakers lists those that there are", service, route)
	}
	switch what := values.Get("do"); what {
	case "open":
		b.ForceOpen()
	case "close":
		b.ForceClosed()
	case "reset":
		b.Reset()
	default:
		return nil, fmt.Errorf("mesh: do=%q is not known: open, close and reset are", what)
	}
	return m.breakersAnswer(r, values)
}

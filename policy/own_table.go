// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "slices"

// scopeOfKind is where the policies of one kind in one namespace are.
type scopeOfKind struct{ kind, namespace string }

// ownTable is the policies of one kind in one namespace, by host.
type ownTable struct {
	exact map[string]held
	wild  []wildcard[any]
}

func (t *ownTable) find(key string) any {
	if t == nil {
		return nil
	}
	if h, ok := t.exact[key]; ok {
		return h.made
	}
	return longest(t.wild, key)
}

// Outbound is what policies of enmesh's own kinds say of calls to one service. nil is:
// nothing.
type Outbound struct {
	RateLimit   *RateLimit
	Concurrency *ConcurrencyLimit
	Budget      *RetryBudget
	Hedge       *Hedge
	Fallback    *Fallback
	Breaker     *CircuitBreaker
	Throttle    *Throttle
}

// Inbound is what they say of the calls that this process serves. nil is: nothing.
type Inbound struct {
	RateLimit   *RateLimit
	Concurrency *ConcurrencyLimit
	Shed        *Shed
}

// Outbound is what holds for calls to a service, by its key. Each kind is searched for by
// itself, as [Snapshot.Destination] is.
func (s *Snapshot) Outbound(key string) Outbound {
	if len(s.outbound) == 0 {
		return Outbound{}
	}
	order := s.searchOrder(key)
	return Outbound{
		RateLimit:   ownOf[*RateLimit](s, order, rateLimit, key),
		Concurrency: ownOf[*ConcurrencyLimit](s, order, concurrencyLimit, key),
		Budget:      ownOf[*RetryBudget](s, order, retryBudget, key),
		Hedge:       ownOf[*Hedge](s, order, hedgeKind, key),
		Fallback:    ownOf[*Fallback](s, order, fallbackKind, key),
		Breaker:     ownOf[*CircuitBreaker](s, order, circuitBreaker, key),
		Throttle:    ownOf[*Throttle](s, order, throttleKind, key),
	}
}

func ownOf[P any](s *Snapshot, order []string, kind, key string) (none P) {
	for _, ns := range order {
		if p, ok := s.outbound[scopeOfKind{kind, ns}].find(key).(P); ok {
			return p
		}
	}
	return none
}

// Own is the policies that there are, as they stand in the chain of a call, outermost
// first.
func (o *Outbound) Own() []*Own {
	var out []*Own
	if o.Fallback != nil {
		out = append(out, &o.Fallback.Own)
	}
	if o.RateLimit != nil {
		out = append(out, &o.RateLimit.Own)
	}
	if o.Throttle != nil {
		out = append(out, &o.Throttle.Own)
	}
	if o.Budget != nil {
		out = append(out, &o.Budget.Own)
	}
	if o.Hedge != nil {
		out = append(out, &o.Hedge.Own)
	}
	if o.Breaker != nil {
		out = append(out, &o.Breaker.Own)
	}
	if o.Concurrency != nil {
		out = append(out, &o.Concurrency.Own)
	}
	return out
}

// Own is the policies that there are, as they stand in the chain of a call, outermost
// first.
func (i *Inbound) Own() []*Own {
	var out []*Own
	if i.RateLimit != nil {
		out = append(out, &i.RateLimit.Own)
	}
	if i.Shed != nil {
		out = append(out, &i.Shed.Own)
	}
	if i.Concurrency != nil {
		out = append(out, &i.Concurrency.Own)
	}
	return out
}

// enterInbound puts in force what was found for this process's servers.
func (b *builder) enterInbound() {
	in := &b.snapshot.Inbound
	in.RateLimit, _ = b.inbound[rateLimit].made.(*RateLimit)
	in.Concurrency, _ = b.inbound[concurrencyLimit].made.(*ConcurrencyLimit)
	in.Shed, _ = b.inbound[shedKind].made.(*Shed)
}

// replaces warns of a RetryBudget that takes the place of what a DestinationRule says.
func (b *builder) replaces() {
	for at, t := range b.snapshot.outbound {
		if at.kind != retryBudget {
			continue
		}
		for key, h := range t.exact {
			p, ok := h.made.(*RetryBudget)
			d := b.snapshot.Destination(key)
			if ok && !p.Shadow && slices.ContainsFunc(append(d.Subsets(), ""), func(s string) bool { return d.Traffic(s, 0).BoundRetries }) {
				h.from.note("spec.host", Warned, "the retryBudget of the DestinationRule ("+d.Origin+") for this host is without effect: this one goes first")
			}
		}
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// Finder finds the endpoints of a ServiceEntry's hosts. The zero Finder finds those that
// need no DNS.
type Finder struct {
	// DNS is asked for "host:port" where names are to be looked up, as *dns.Resolver is.
	// nil: such hosts have no endpoints, and an error says so.
	DNS discovery.Resolver
	// LookUp has names looked up that are else passed through (resolution NONE): for
	// clients that connect to addresses only.
	LookUp bool
}

// errNoDNS is why a name has no endpoints.
var errNoDNS = errors.New("entries: there is no resolver to ask DNS with")

// Watch yields the endpoints of host, a key that e is for, until ctx ends, as
// [discovery.Resolver] does.
func (f Finder) Watch(ctx context.Context, e *policy.Entry, host string) iter.Seq2[[]discovery.Endpoint, error] {
	name := host
	if e.Host == host {
		name = e.Name // as it was written
	}
	sources := f.sources(e, name)
	switch {
	case len(e.Ports) == 0 || len(sources) == 0:
		return discovery.NewStatic(map[string][]discovery.Endpoint{name: {}}).Watch(ctx, name)
	case len(sources) == 1:
		return sources[0].Watch(ctx, name)
	}
	return discovery.Merge(sources...).Watch(ctx, name)
}

// sources is where the endpoints of a host are from: those whose address is known, and one
// for each name.
func (f Finder) sources(e *policy.Entry, name string) []discovery.Resolver {
	self := discovery.Endpoint{Addrs: []string{name}, Ports: e.Ports, Namespace: e.Namespace}
	var known []discovery.Endpoint
	var names []discovery.Resolver
	switch given := e.Endpoints; {
	case e.Resolution == policy.PassThrough && !f.LookUp:
		known = []discovery.Endpoint{placed(self)}
	case e.Resolution == policy.Static:
		for _, one := range given {
			known = append(known, placed(one))
		}
	default:
		if given == nil || e.Resolution == policy.PassThrough {
			given = []discovery.Endpoint{self}
		}
		for _, one := range given {
			if _, err := netip.ParseAddr(one.Addrs[0]); err == nil {
				known = append(known, placed(one))
				continue
			}
			names = append(names, &lookup{dns: f.DNS, like: one, single: e.Resolution == policy.DNSRoundRobin})
		}
	}
	if len(known) > 0 {
		names = append(names, discovery.NewStatic(map[string][]discovery.Endpoint{name: known}))
	}
	return names
}

// placed is e with a port beside its address, so that two that differ in their ports only
// are told apart.
func placed(e discovery.Endpoint) discovery.Endpoint {
	if len(e.Ports) > 0 {
		e.Addrs = []string{net.JoinHostPort(e.Addrs[0], firstPort(e.Ports))}
	}
	return e
}

func firstPort(ports []discovery.Port) string {
	return strconv.Itoa(int(cmp.Or(ports[0].Target, ports[0].Number)))
}

// lookup is an endpoint whose address is a name.
type lookup struct {
	dns    discovery.Resolver
	like   discovery.Endpoint
	single bool // one address only
}

// Watch implements [discovery.Resolver].
func (l *lookup) Watch(ctx context.Context, _ string) iter.Seq2[[]discovery.Endpoint, error] {
	return func(yield func([]discovery.Endpoint, error) bool) {
		if l.dns == nil {
			if yield(nil, errNoDNS) {
				<-ctx.Done()
			}
			return
		}
		chosen, told := "", false
		for set, err := range l.dns.Watch(ctx, placed(l.like).Addrs[0]) {
			if err != nil {
				// Not %w: the service is known, whatever DNS says of a name.
				if !yield(nil, fmt.Errorf("entries: %s: %v", l.like.Addrs[0], err)) { //nolint:errorlint // see above
					return
				}
				if told || !errors.Is(err, discovery.ErrUnknownService) {
					continue
				}
			}
			told = true
			if l.single {
				set = keep(set, &chosen)
			}
			if !yield(l.made(set), nil) {
				return
			}
		}
	}
}

// keep is the endpoint of a set that was chosen before, else the first.
func keep(set []discovery.Endpoint, chosen *string) []discovery.Endpoint {
	if len(set) == 0 {
		return set
	}
	at := slices.IndexFunc(set, func(e discovery.Endpoint) bool { return e.Addrs[0] == *chosen })
	at = max(at, 0)
	*chosen = set[at].Addrs[0]
	return set[at : at+1]
}

// made is what DNS found, as the document describes it.
func (l *lookup) made(set []discovery.Endpoint) []discovery.Endpoint {
	out := make([]discovery.Endpoint, len(set))
	for i := range set {
		out[i] = l.like
		out[i].Addrs, out[i].Unconfirmed = set[i].Addrs, set[i].Unconfirmed
	}
	return out
}

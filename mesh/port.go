// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// byPort is the middleware that build makes of a destination, for each port that has
// settings of its own: a call takes that of its port, or else that of the host. All are
// made beforehand. nil where build makes none for any. It stands inside [policies.port].
func byPort(s *policy.Snapshot, d enmesh.Destination, build func(enmesh.Destination) (enmesh.Middleware, error)) (enmesh.Middleware, error) {
	others, err := build(d)
	if err != nil || d.Port != 0 {
		return others, err
	}
	made := map[uint16]enmesh.Middleware{}
	none := others == nil
	ports := s.Destination(d.Service).Ports(d.Subset)
	for _, port := range ports {
		of := d
		of.Port = port
		if made[port], err = build(of); err != nil {
			return nil, err
		}
		none = none && made[port] == nil
	}
	if none || len(ports) == 0 {
		return others, nil
	}
	return func(next enmesh.Next) enmesh.Next {
		rest := enmesh.Chain(others)(next)
		ways := make([]enmesh.Next, len(ports))
		for i, port := range ports {
			ways[i] = enmesh.Chain(made[port])(next)
		}
		return func(ctx context.Context, c *enmesh.Call) error {
			if i := slices.Index(ports, c.Port); i >= 0 {
				return ways[i](ctx, c)
			}
			return rest(ctx, c)
		}
	}, nil
}

// port gives calls to a destination that name no port the one that they go to, where
// policy or a ServiceEntry says different things of different ports; else it is nil. What
// only the registry can say is waited for, as endpoints are.
func (p *policies) port(s *policy.Snapshot, d enmesh.Destination) enmesh.Middleware {
	e, ports := s.Entry(d.Service), s.Destination(d.Service).Ports(d.Subset)
	if d.Port != 0 || len(ports) == 0 && (e == nil || len(e.Ports) < 2) {
		return nil
	}
	find := p.registryPort(d.Service)
	if e != nil {
		find = entryPort(e)
	}
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if c.Port == 0 {
				if port, chosen := find(ctx, c); chosen || slices.Contains(ports, port) {
					c.Port = port
				}
			}
			return next(ctx, c)
		}
	}
}

// entryPort is the port of calls to the host of a ServiceEntry, which may have one for each
// scheme: a request to https://api.example.com is for port 443 there, chosen by the entry.
// Else it is the only one, or the one that speaks the call's protocol, as for any service.
func entryPort(e *policy.Entry) portFinder {
	return func(_ context.Context, c *enmesh.Call) (port uint16, chosen bool) {
		if len(e.Ports) > 1 && c.Protocol == enmesh.HTTP && e.HasPort(portOf(c)) {
			return portOf(c), true
		}
		port, _ = discovery.Endpoint{Ports: e.Ports}.ServicePort(c.Protocol.String())
		return port, false
	}
}

// portFinder finds the port of a call that names none; 0: it is not known. One that is
// chosen holds whether rules name it or not.
type portFinder func(ctx context.Context, c *enmesh.Call) (port uint16, chosen bool)

// registryPort is the port of calls to a service that the registry knows. Where its
// instances list no service ports it is that of the scheme, and in gRPC unknown; and where
// they do not agree it is unknown as well, since each goes by its own.
func (p *policies) registryPort(service string) portFinder {
	var of atomic.Pointer[watch]
	return func(ctx context.Context, c *enmesh.Call) (port uint16, chosen bool) {
		w := of.Load()
		if w == nil {
			w = p.mesh.source.place(service)
			of.Store(w)
		}
		switch said := w.ports.wait(ctx); {
		case said == nil:
		case said.some:
			port = said.number[c.Protocol]
		case c.Protocol == enmesh.HTTP:
			port = portOf(c)
		}
		return port, false
	}
}

// place is a service's place in the registry, followed from now on for as long as the mesh is
// open: a route asks once.
func (s *source) place(service string) *watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watch(service)
	w.kept = true
	return w
}

// follows reports whether a service, by its key, is followed already.
func (s *source) follows(service string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watches[service] != nil
}

// listedPorts is what the instances of a service say of its ports, once they are known.
type listedPorts struct {
	now   atomic.Pointer[listing]
	first chan struct{} // closed with the first listing
	once  *sync.Once
}

// listing is the ports that calls which name none go to.
type listing struct {
	some   bool                    // an instance lists ports
	number [enmesh.GRPC + 1]uint16 // by protocol; 0: none, or not the same for all
}

func newListedPorts() listedPorts {
	return listedPorts{first: make(chan struct{}), once: new(sync.Once)}
}

// learn reads the ports of a set.
func (p *listedPorts) learn(set []discovery.Endpoint) {
	said := &listing{}
	for protocol := range said.number {
		var seen []uint16
		for i := range set {
			if len(set[i].Ports) == 0 {
				continue
			}
			said.some = true
			if port, ok := set[i].ServicePort(enmesh.Protocol(protocol).String()); ok && !slices.Contains(seen, port) {
				seen = append(seen, port)
			}
		}
		if len(seen) == 1 {
			said.number[protocol] = seen[0]
		}
	}
	p.now.Store(said)
	p.once.Do(func() { close(p.first) })
}

// wait is what is known, or nil when ctx ends before anything is.
func (p *listedPorts) wait(ctx context.Context) *listing {
	if said := p.now.Load(); said != nil {
		return said
	}
	select {
	case <-p.first:
	case <-ctx.Done():
	}
	return p.now.Load()
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Static is a Resolver over a fixed map of service to endpoints. It is immutable
// and safe for concurrent use. The zero value knows no service.
type Static struct {
	services map[string][]Endpoint
}

// NewStatic makes a Static of a copy of services. A service listed with no
// endpoints is known and empty.
func NewStatic(services map[string][]Endpoint) *Static {
	s := &Static{services: make(map[string][]Endpoint, len(services))}
	for name, eps := range services {
		s.services[name] = cloneSet(eps)
	}
	return s
}

// Watch yields the service's endpoints once and then waits for ctx to end. For a
// service that is not in the map it yields an error that wraps
// [ErrUnknownService], then the empty set, since the map will not change.
func (s *Static) Watch(ctx context.Context, service string) iter.Seq2[[]Endpoint, error] {
	return func(yield func([]Endpoint, error) bool) {
		if ctx.Err() != nil {
			return
		}
		eps, known := s.services[service]
		if !known {
			if !yield(nil, s.unknown(service)) || ctx.Err() != nil {
				return
			}
			eps = []Endpoint{}
		}
		if yield(eps, nil) {
			<-ctx.Done()
		}
	}
}

// Lookup implements [Looker].
func (s *Static) Lookup(_ context.Context, service string) ([]Endpoint, error) {
	eps, known := s.services[service]
	if !known {
		return nil, s.unknown(service)
	}
	return eps, nil
}

// unknown names the service and what there is instead.
func (s *Static) unknown(service string) error {
	const most = 10
	names := slices.Sorted(maps.Keys(s.services))
	if len(names) > most {
		names = append(names[:most:most], "...")
	}
	return fmt.Errorf("%w: %q; the static registry has: %s", ErrUnknownService, service, strings.Join(names, ", "))
}

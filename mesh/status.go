// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"maps"
	"slices"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/jwt"
)

// Status is the state of a mesh at one moment, for status pages and tests. It holds
// no secret.
type Status struct {
	Policy   PolicyStatus
	Services []ServiceStatus // by name
	Disk     discovery.DiskStatus
	Identity *security.Status // the process's certificate; nil without certificates
	Keys     []jwt.KeyStatus  // of token issuers, by where they are fetched
}

// PolicyStatus is what policy is in force and how the last load went.
type PolicyStatus struct {
	Version   string    // a hash of the files; "" without any
	Applied   time.Time // when the version came into force
	Documents int
	Notes     []policy.Finding // fields that are not plainly enforced
	Loads     uint64           // so far, refused ones included
	Refused   uint64
	Err       error // of the last load; nil when it is in force
}

// ServiceStatus is what the registry says of a service that was called.
type ServiceStatus struct {
	Service   string // its key
	Known     bool   // the registry has answered
	Endpoints int
	Changed   time.Time // when the set last changed
	Err       error     // the registry's last word, when it was an error
	// Discovery is how the cache stands with the registry about the service: whether it
	// answers, how long the endpoints have not been confirmed, what was not believed.
	Discovery discovery.ServiceStatus
}

// Status is the present state.
func (m *Mesh) Status() Status {
	c := m.cache.Status()
	byName := make(map[string]discovery.ServiceStatus, len(c.Services))
	for _, svc := range c.Services {
		byName[svc.Service] = svc
	}
	services := m.source.status()
	for i := range services {
		svc := &services[i]
		svc.Discovery = byName[m.source.registryName(svc.Service)]
		if svc.Discovery.State == discovery.Failing {
			svc.Err = svc.Discovery.Err
		}
	}
	out := Status{Policy: m.policies.status(), Services: services, Disk: c.Disk, Keys: m.served.guard.keys.Status()}
	if m.identity != nil {
		id := m.identity.Status()
		out.Identity = &id
	}
	return out
}

func (p *policies) status() PolicyStatus {
	s := p.inForce.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	return PolicyStatus{
		Version: s.Version, Applied: p.applied, Documents: len(s.Documents), Notes: s.Notes(),
		Loads: p.loads, Refused: p.refused, Err: p.err,
	}
}

func (s *source) status() []ServiceStatus {
	s.mu.Lock()
	watches := maps.Clone(s.watches)
	s.mu.Unlock()
	all := make([]ServiceStatus, 0, len(watches))
	for _, name := range slices.Sorted(maps.Keys(watches)) {
		all = append(all, watches[name].status(name))
	}
	return all
}

func (w *watch) status(name string) ServiceStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return ServiceStatus{Service: name, Known: w.known, Endpoints: len(w.set), Changed: w.changed}
}

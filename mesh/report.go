// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"fmt"
	"time"
)

// report is the state of a mesh as /status tells it.
type report struct {
	Service   string          `json:"service,omitempty"`
	Namespace string          `json:"namespace"`
	Version   string          `json:"version,omitempty"`
	Phase     Phase           `json:"phase"`
	Ready     bool            `json:"ready"`
	InFlight  int64           `json:"in_flight"`
	Policy    policyReport    `json:"policy"`
	Services  []serviceReport `json:"services"`
	Snapshots *diskReport     `json:"snapshots,omitempty"`
	Identity  *identityReport `json:"identity,omitempty"`
	Keys      []keysReport    `json:"token_keys,omitempty"`
}

type policyReport struct {
	Version   string   `json:"version,omitempty"`
	Applied   string   `json:"applied,omitempty"`
	Documents int      `json:"documents"`
	Loads     uint64   `json:"loads"`
	Refused   uint64   `json:"refused"`
	Error     string   `json:"error,omitempty"`
	Notes     []string `json:"notes,omitempty"`
}

type serviceReport struct {
	Service   string `json:"service"`
	Known     bool   `json:"known"`
	Endpoints int    `json:"endpoints"`
	Changed   string `json:"changed,omitempty"`
	Error     string `json:"error,omitempty"` // the registry's last word, when it was one

	Watch      string  `json:"watch"` // waiting, live, doubting, failing
	Confirmed  string  `json:"confirmed,omitempty"`
	Staleness  float64 `json:"staleness_seconds"`
	Kept       int     `json:"kept"`
	Suppressed uint64  `json:"suppressed"`
	Errors     uint64  `json:"errors"`
	LastError  string  `json:"last_error,omitempty"` // also when it is over
	LastErrAt  string  `json:"last_error_at,omitempty"`
	Saved      string  `json:"saved,omitempty"` // the age of what is on disk
	Unreadable string  `json:"snapshot_error,omitempty"`
}

// diskReport is how the directory of snapshots fares.
type diskReport struct {
	Dir   string `json:"dir"`
	Error string `json:"error,omitempty"`
}

func (m *Mesh) report() report {
	s, w := m.Status(), m.cfg.workload
	ready, _ := m.health.Ready()
	r := report{
		Service: w.Service, Namespace: w.namespace(), Version: w.Version,
		Phase: m.health.Phase(), Ready: ready, InFlight: m.InFlight(),
		Policy: policyReport{
			Version: s.Policy.Version, Applied: stamp(s.Policy.Applied), Documents: s.Policy.Documents,
			Loads: s.Policy.Loads, Refused: s.Policy.Refused, Error: textOf(s.Policy.Err),
		},
		Services: make([]serviceReport, 0, len(s.Services)),
	}
	for _, n := range s.Policy.Notes {
		r.Policy.Notes = append(r.Policy.Notes, n.String())
	}
	now := time.Now()
	for _, svc := range s.Services {
		r.Services = append(r.Services, reportOf(svc, now))
	}
	r.secure(&s, now)
	if s.Disk.Dir != "" {
		r.Snapshots = &diskReport{Dir: s.Disk.Dir, Error: textOf(s.Disk.Err)}
	}
	return r
}

func reportOf(svc ServiceStatus, now time.Time) serviceReport {
	d := svc.Discovery
	return serviceReport{
		Service: svc.Service, Known: svc.Known, Endpoints: svc.Endpoints, Changed: stamp(svc.Changed), Error: textOf(svc.Err),
		Watch: d.State.String(), Confirmed: stamp(d.Confirmed), Staleness: d.Staleness(now).Seconds(),
		Kept: d.Kept, Suppressed: d.Suppressed, Errors: d.Errors, LastError: textOf(d.Err), LastErrAt: stamp(d.ErrAt),
		Saved: stamp(d.Saved), Unreadable: textOf(d.SavedErr),
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprint(err)
}

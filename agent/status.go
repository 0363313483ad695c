// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"path/filepath"
	"time"

	"github.com/enmesh-go/enmesh/agent/translate"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security"
)

// Status is the state of an agent at one moment. It holds no secret. As JSON it is what
// /status tells.
type Status struct {
	Ready        bool                `json:"ready"` // clients are answered
	Since        time.Time           `json:"since"` // when the agent was opened
	Policy       PolicyStatus        `json:"policy"`
	Services     []ServiceStatus     `json:"services"`               // those that some client needs: of the registry, then of DNS, by name
	Certificates []CertificateStatus `json:"certificates,omitempty"` // in the order of Config.Issue
	Clients      []ClientStatus      `json:"clients"`                // by node id, then age
	Notes        []string            `json:"notes,omitempty"`        // on resources that somebody has: what was approximated, left out or refused
	// Verdicts are the findings on fields of policy that are not plainly enforced, with file
	// and line, for each kind of client that is connected: "grpc-go", "grpc-node", and so on.
	Verdicts map[string][]string `json:"verdicts,omitempty"`
	Disk     *DiskStatus         `json:"disk,omitempty"` // nil: nothing is kept
}

// PolicyStatus is what policy is in force and how the last load went.
type PolicyStatus struct {
	Version   string    `json:"version,omitempty"` // a hash of the documents; "" without any
	Applied   time.Time `json:"applied,omitzero"`  // when it came into force
	Restored  bool      `json:"restored"`          // it is that of an earlier process, from disk
	Documents int       `json:"documents"`
	Loads     uint64    `json:"loads"` // so far, refused ones included
	Refused   uint64    `json:"refused"`
	Error     string    `json:"error,omitempty"` // of the last load; "": it is in force
	ErrorAt   time.Time `json:"error_at,omitzero"`
	DiskError string    `json:"disk_error,omitempty"` // why it could not be kept
}

// ServiceStatus is how the agent stands with the registry about a service.
type ServiceStatus struct {
	Service    string    `json:"service"`
	State      string    `json:"state"` // waiting, live, doubting, failing
	Known      bool      `json:"known"` // clients have a set
	Endpoints  int       `json:"endpoints"`
	Kept       int       `json:"kept"` // of these, those that the registry does not name any more
	Changed    time.Time `json:"changed,omitzero"`
	Confirmed  time.Time `json:"confirmed,omitzero"`    // when the registry last gave a set
	Staleness  float64   `json:"staleness_seconds"`     // how long the set has not been known to be true
	Suppressed uint64    `json:"suppressed"`            // sets that were not believed when they came
	Errors     uint64    `json:"errors"`                // so far
	Error      string    `json:"error,omitempty"`       // the registry's last, also when it is over
	ErrorAt    time.Time `json:"error_at,omitzero"`     // when it came
	Saved      time.Time `json:"saved,omitzero"`        // the age of what is on disk
	SavedError string    `json:"saved_error,omitempty"` // why the file found at the start was not used
}

// DiskStatus is how the directory of endpoints fares.
type DiskStatus struct {
	Dir   string `json:"dir"`
	Error string `json:"error,omitempty"` // of the last writing
}

// CertificateStatus is how a certificate stands that the agent keeps fresh.
type CertificateStatus struct {
	Dir       string      `json:"dir"`
	Identity  security.ID `json:"identity"`
	NotBefore time.Time   `json:"not_before,omitzero"` // of what is in the directory; zero: nothing is
	NotAfter  time.Time   `json:"not_after,omitzero"`
	Left      float64     `json:"seconds_left"` // negative once it has ended
	Written   time.Time   `json:"written,omitzero"`
	Rotations uint64      `json:"rotations"` // writings that followed the first of this process
	Failures  uint64      `json:"failures"`
	Error     string      `json:"error,omitempty"` // why there is nothing newer; "": all is well
	ErrorAt   time.Time   `json:"error_at,omitzero"`
}

// ClientStatus is one stream of one client.
type ClientStatus struct {
	ID             string            `json:"id"`
	Cluster        string            `json:"cluster,omitempty"`
	Client         string            `json:"client"`   // as it calls itself: "gRPC Go"
	Version        string            `json:"version"`  // of that
	Language       string            `json:"language"` // what verdicts are by: grpc-go, grpc-java, grpc-cpp, grpc-python, grpc-node
	Namespace      string            `json:"namespace,omitempty"`
	ServiceAccount string            `json:"service_account,omitempty"`
	Locality       string            `json:"locality,omitempty"` // region/zone/sub-zone
	Labels         map[string]string `json:"labels,omitempty"`
	Peer           PeerStatus        `json:"peer"`
	Since          time.Time         `json:"since"`
	Accepted       int               `json:"accepted"` // resources that it took in their latest version
	Rejected       int               `json:"rejected"` // that it refused
	Resources      []ResourceStatus  `json:"resources"`
}

// PeerStatus is who the connection says the client is.
type PeerStatus struct {
	Network string `json:"network"`
	Address string `json:"address,omitempty"`
	PID     int32  `json:"pid,omitempty"` // of a unix socket
	UID     *int64 `json:"uid,omitempty"` // of a unix socket
	ID      string `json:"id,omitempty"`  // over mutual TLS
}

// ResourceStatus is what a client has of one name.
type ResourceStatus struct {
	Kind    string    `json:"kind"`
	Name    string    `json:"name"`
	State   string    `json:"state"`             // requested, missing, denied, pending, sent, accepted (ACK), rejected (NACK)
	Latest  string    `json:"latest,omitempty"`  // version that the agent has
	Version string    `json:"version,omitempty"` // that the client has
	Error   string    `json:"error,omitempty"`   // why it was rejected, or denied
	Since   time.Time `json:"since"`             // of State
}

// Status is the present state.
func (a *Agent) Status() Status {
	s := a.state()
	for _, c := range a.server.Clients() {
		s.Clients = append(s.Clients, clientOf(&c))
		s.judge(translate.EnforcerOf(c.Node.Client), a)
	}
	return s
}

// state is the status without the clients, who may have much, and what is said for them.
func (a *Agent) state() Status {
	now := time.Now()
	s := Status{Ready: a.ready(), Since: a.since, Policy: a.policies.report(), Services: []ServiceStatus{}, Clients: []ClientStatus{}}
	for _, c := range []discovery.CacheStatus{a.cache.Status(), a.names.Status()} {
		for i := range c.Services {
			s.Services = append(s.Services, serviceOf(&c.Services[i], now))
		}
		if c.Disk.Dir != "" && (s.Disk == nil || s.Disk.Error == "") {
			s.Disk = &DiskStatus{filepath.Dir(c.Disk.Dir), textOf(c.Disk.Err)}
		}
	}
	for _, i := range a.issuers {
		s.Certificates = append(s.Certificates, i.report(now))
	}
	for _, n := range a.catalog.Notes() {
		s.Notes = append(s.Notes, n.String())
	}
	return s
}

// judge adds the verdicts for a kind of client.
func (s *Status) judge(e policy.Enforcer, a *Agent) {
	if _, twice := s.Verdicts[e.String()]; twice {
		return
	}
	if s.Verdicts == nil {
		s.Verdicts = map[string][]string{}
	}
	list := []string{}
	for _, f := range a.Verdicts(e) {
		list = append(list, f.String())
	}
	s.Verdicts[e.String()] = list
}

func (a *Agent) ready() bool {
	select {
	case <-a.catalog.Ready():
		return true
	default:
		return false
	}
}

func serviceOf(d *discovery.ServiceStatus, now time.Time) ServiceStatus {
	return ServiceStatus{
		Service: d.Service, State: d.State.String(), Known: d.Known, Endpoints: d.Endpoints, Kept: d.Kept,
		Changed: d.Changed, Confirmed: d.Confirmed, Staleness: d.Staleness(now).Seconds(), Suppressed: d.Suppressed,
		Errors: d.Errors, Error: textOf(d.Err), ErrorAt: d.ErrAt, Saved: d.Saved, SavedError: textOf(d.SavedErr),
	}
}

func clientOf(c *xds.Client) ClientStatus {
	n := c.Node
	out := ClientStatus{
		ID: n.ID, Cluster: n.Cluster, Client: n.Client, Version: n.Version, Language: translate.EnforcerOf(n.Client).String(),
		Namespace: n.Namespace, ServiceAccount: n.ServiceAccount, Labels: n.Labels, Since: c.Since, Resources: []ResourceStatus{},
		Locality: discovery.Locality{Region: n.Region, Zone: n.Zone, SubZone: n.SubZone}.String(),
		Peer:     PeerStatus{Network: n.Peer.Network, Address: n.Peer.Addr, PID: n.Peer.PID, ID: n.Peer.ID.String()},
	}
	if n.Peer.Known {
		uid := int64(n.Peer.UID)
		out.Peer.UID = &uid
	}
	for i := range c.Resources {
		r := &c.Resources[i]
		switch r.State {
		case xds.Accepted:
			out.Accepted++
		case xds.Rejected:
			out.Rejected++
		}
		out.Resources = append(out.Resources, ResourceStatus{
			Kind: r.Kind.String(), Name: r.Name, State: r.State.String(), Latest: r.Latest, Version: r.Version,
			Error: r.Error, Since: r.Since,
		})
	}
	return out
}

// Verdicts are the findings on the policy in force that are not plainly enforced for a kind of
// client.
func (a *Agent) Verdicts(e policy.Enforcer) []policy.Finding {
	s := a.policies.inForce()
	if s == nil {
		return nil
	}
	var out []policy.Finding
	for _, f := range s.FindingsFor(e) {
		if f.Verdict != policy.Enforced {
			out = append(out, f)
		}
	}
	return out
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

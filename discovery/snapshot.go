// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// snapshot is a service's set as it is kept on disk: one line that says what follows,
// with its length and checksum, and then JSON.
type snapshot struct {
	service string
	saved   time.Time // when the set was last known to be true
	set     []Endpoint
}

// snapshotForm names the form and its version, at the start of every file.
const snapshotForm = "enmesh-discovery-snapshot 1"

// maxSnapshot bounds a file, in bytes: about 100,000 endpoints.
const maxSnapshot = 32 << 20

var errSnapshot = errors.New("discovery: not a snapshot that can be used")

// snapshotBody and snapshotEndpoint are what stands in the file: names of their own, so
// that a field renamed in Go does not change it.
type snapshotBody struct {
	Service   string             `json:"service"`
	Saved     time.Time          `json:"saved"`
	Endpoints []snapshotEndpoint `json:"endpoints"`
}

type snapshotEndpoint struct {
	Addrs          []string          `json:"addrs"`
	Ports          []snapshotPort    `json:"ports,omitempty"`
	Weight         uint32            `json:"weight,omitempty"`
	Priority       uint32            `json:"priority,omitempty"`
	Region         string            `json:"region,omitempty"`
	Zone           string            `json:"zone,omitempty"`
	SubZone        string            `json:"subZone,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Version        string            `json:"version,omitempty"`
	ServiceAccount string            `json:"serviceAccount,omitempty"`
	Namespace      string            `json:"namespace,omitempty"`
	Draining       bool              `json:"draining,omitempty"`
	Unhealthy      bool              `json:"unhealthy,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
}

type snapshotPort struct {
	Name     string `json:"name,omitempty"`
	Number   uint16 `json:"number,omitempty"`
	Target   uint16 `json:"target,omitempty"`
	Protocol string `json:"protocol,omitempty"`
}

// encode writes the file's content.
func (s snapshot) encode() ([]byte, error) {
	body := snapshotBody{Service: s.service, Saved: s.saved.UTC().Round(0), Endpoints: make([]snapshotEndpoint, len(s.set))}
	for i := range s.set {
		body.Endpoints[i] = toSnapshot(&s.set[i])
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("discovery: snapshot of %q: %w", s.service, err)
	}
	return seal(data), nil
}

// seal puts the first line before a body.
func seal(body []byte) []byte {
	out := fmt.Appendf(make([]byte, 0, len(body)+128), "%s %d %x\n", snapshotForm, len(body), sha256.Sum256(body))
	return append(out, body...)
}

// decodeSnapshot reads what encode wrote. Anything else is an error: what cannot be
// trusted to the last bit is not used at all.
func decodeSnapshot(data []byte) (snapshot, error) {
	head, data, ok := bytes.Cut(data, []byte("\n"))
	if !ok || !bytes.HasPrefix(head, []byte(snapshotForm+" ")) {
		return snapshot{}, fmt.Errorf("%w: it does not begin with %q", errSnapshot, snapshotForm)
	}
	sum := sha256.Sum256(data)
	if want := fmt.Sprintf("%s %d %x", snapshotForm, len(data), sum); string(head) != want {
		return snapshot{}, fmt.Errorf("%w: its length or checksum is wrong", errSnapshot)
	}
	var body snapshotBody
	if err := json.Unmarshal(data, &body); err != nil {
		return snapshot{}, fmt.Errorf("%w: %w", errSnapshot, err)
	}
	s := snapshot{service: body.Service, saved: body.Saved, set: make([]Endpoint, len(body.Endpoints))}
	for i := range body.Endpoints {
		if len(body.Endpoints[i].Addrs) == 0 {
			return snapshot{}, fmt.Errorf("%w: endpoint %d has no address", errSnapshot, i)
		}
		s.set[i] = fromSnapshot(&body.Endpoints[i])
	}
	return s, nil
}

func toSnapshot(e *Endpoint) snapshotEndpoint {
	out := snapshotEndpoint{
		Addrs: e.Addrs, Weight: e.Weight, Priority: e.Priority,
		Region: e.Locality.Region, Zone: e.Locality.Zone, SubZone: e.Locality.SubZone,
		Labels: e.Labels, Version: e.Version, ServiceAccount: e.ServiceAccount, Namespace: e.Namespace,
		Draining: e.Draining, Unhealthy: e.Unhealthy, Metadata: e.Metadata,
	}
	for _, p := range e.Ports {
		out.Ports = append(out.Ports, snapshotPort(p))
	}
	return out
}

func fromSnapshot(e *snapshotEndpoint) Endpoint {
	out := Endpoint{
		Addrs: e.Addrs, Weight: e.Weight, Priority: e.Priority,
		Locality: Locality{Region: e.Region, Zone: e.Zone, SubZone: e.SubZone},
		Labels:   e.Labels, Version: e.Version, ServiceAccount: e.ServiceAccount, Namespace: e.Namespace,
		Draining: e.Draining, Unhealthy: e.Unhealthy, Metadata: e.Metadata,
	}
	for _, p := range e.Ports {
		out.Ports = append(out.Ports, Port(p))
	}
	return out
}

// snapshotFile is the name of a service's file. Names of services are anything at all,
// so that the name is made of what is harmless in them, and of a hash.
func snapshotFile(service string) string {
	const most = 48
	plain := make([]byte, 0, most)
	for i := 0; i < len(service) && len(plain) < most; i++ {
		switch b := service[i]; {
		case 'a' <= b && b <= 'z', '0' <= b && b <= '9', b == '-', b == '.' && len(plain) > 0:
			plain = append(plain, b)
		default:
			plain = append(plain, '_')
		}
	}
	sum := sha256.Sum256([]byte(service))
	return string(plain) + "-" + hex.EncodeToString(sum[:8]) + snapshotSuffix
}

const snapshotSuffix = ".snapshot"

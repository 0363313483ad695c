// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/resilience"
)

// Destination is what the DestinationRules of one namespace say about a host.
type Destination struct {
	Host      string // its key; a wildcard such as "*.example.com" may be
	Namespace string // of the rules
	Origin    string // file:line of the first rule

	sources  []Provenance                 // of the host's traffic policy
	places   map[string]string            // of subsets: name to file:line
	subsets  map[string]map[string]string // name to labels
	policies map[scope]Traffic
}

// scope is what a traffic policy is for; the zero scope is all of the host.
type scope struct {
	subset string
	port   uint16
}

// Subsets is the names of the subsets, sorted.
func (d *Destination) Subsets() []string {
	if d == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(d.subsets))
}

// Provenance is where something that a Destination says comes from.
type Provenance struct {
	What   string // "trafficPolicy", "subset v1", an annotation
	Origin string // file:line
}

// Sources is where the policy for a subset ("" is none) comes from: of the DestinationRules
// for a host, each may have a part. A nil Destination has none.
func (d *Destination) Sources(subset string) []Provenance {
	if d == nil {
		return nil
	}
	out := slices.Clone(d.sources)
	if at, ok := d.places[subset]; ok {
		out = append(out, Provenance{"subset " + subset, at})
	}
	if len(out) == 0 {
		out = []Provenance{{"host", d.Origin}}
	}
	return out
}

// Labels is the labels that the instances of a subset have, and whether there is
// such a subset. The map is not to be written. A nil Destination has none.
func (d *Destination) Labels(subset string) (labels map[string]string, ok bool) {
	if d == nil {
		return nil, false
	}
	labels, ok = d.subsets[subset]
	return labels, ok
}

// Ports is the ports of the service that have settings of their own for a subset ("" is
// none), sorted. A nil Destination has none.
func (d *Destination) Ports(subset string) []uint16 {
	if d == nil {
		return nil
	}
	var ports []uint16
	for s := range d.policies {
		if s.subset == subset && s.port != 0 {
			ports = append(ports, s.port)
		}
	}
	slices.Sort(ports)
	return ports
}

// Traffic is the policy for calls to a subset ("" is none) at a port of the service
// (0: none of those that the rules name). A subset's blocks replace those of the
// host; a port's settings replace them all. A nil Destination has Istio's defaults.
func (d *Destination) Traffic(subset string, port uint16) Traffic {
	if d == nil {
		return Traffic{}
	}
	for _, s := range [...]scope{{subset, port}, {subset, 0}, {"", port}, {}} {
		if t, ok := d.policies[s]; ok {
			return t
		}
	}
	return Traffic{}
}

// Traffic is how calls to a destination are balanced, bounded and secured. It holds more
// than is enforced yet: the findings say which fields are not.
//
// The zero Traffic is Istio's default: LEAST_REQUEST, no bounds, mutual TLS where both
// sides can. Connecting is given up sooner than in Istio, whose 10 s are longer than most
// callers wait: see [balance.ConnectionConfig].
type Traffic struct {
	Algorithm string                  // for balance.ByName, unless there is a Hash; "": nothing is said
	Hash      Hash                    // consistentHash
	SlowStart balance.SlowStartConfig // warmup; Window 0: none
	// Locality is localityLbSetting or zoneAwareLbSetting, without what the client knows of
	// itself; nil is Istio's default: nearer first, where outliers are detected. Two that
	// are equal may differ in this pointer.
	Locality       *balance.LocalityConfig
	Connection     balance.ConnectionConfig // how each instance is connected to
	MaxRequests    uint32                   // in flight to all instances; 0: any number, Istio's default
	MaxRetries     uint32                   // under way at once; 0: any number, Istio's default
	DetectOutliers bool                     // the block outlierDetection exists
	Outlier        outlier.Config           // used if DetectOutliers
	// MinHealthPercent is the panic threshold: below it calls go to all instances, ejected
	// or not. 0: never.
	MinHealthPercent uint32
	TLS              TLS
	BoundRetries     bool                    // the block retryBudget exists
	Budget           resilience.BudgetConfig // used if BoundRetries
}

// TLSMode is how a client secures its connections.
type TLSMode uint8

// The modes. TLSAuto, when nothing is said: mutual TLS with the mesh's certificates
// where the instance is known to speak it.
const (
	TLSAuto TLSMode = iota
	TLSDisable
	TLSSimple
	TLSMutual
	TLSIstioMutual
)

// String is Istio's name; TLSAuto is "AUTO".
func (m TLSMode) String() string {
	return [...]string{"AUTO", "DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"}[m%5]
}

// TLS is a client's settings. It is comparable.
type TLS struct {
	Mode            TLSMode
	SubjectAltNames Names  // of which the instance must have one; empty: as the mesh knows it
	SNI             string // "": the mesh's own
	CertificateFile string // clientCertificate, for MUTUAL
	KeyFile         string // privateKey, for MUTUAL
	CAFile          string // caCertificates, for SIMPLE and MUTUAL; "": the system's
	CRLFile         string // caCrl
	CredentialName  string // Kubernetes secret
	SkipVerify      bool
}

// Unenforced says why calls under these settings must be refused, rather than sent
// under others: "" when they need not. What enmesh does not enforce is never replaced by
// plaintext.
func (t TLS) Unenforced() string {
	if t.CredentialName != "" {
		return "the certificates of TLS mode " + t.Mode.String() + " are in the secret " + t.CredentialName + ", and secrets of Kubernetes are not read"
	}
	return ""
}

// UsesTLS reports whether connections to some destination may have these settings (see
// [Snapshot.TLS]).
func (s *Snapshot) UsesTLS(t TLS) bool {
	for _, d := range s.Destinations {
		for _, of := range d.policies {
			if of.TLS == t || slices.ContainsFunc(s.Entries, func(e *Entry) bool { return of.TLS.at(e) == t }) {
				return true
			}
		}
	}
	return false
}

// Names is a list of names as one comparable value.
type Names string

// MakeNames is the Names of a list. Names hold no line break.
func MakeNames(list []string) Names { return Names(strings.Join(list, "\n")) }

// List is the names.
func (n Names) List() []string {
	if n == "" {
		return nil
	}
	return strings.Split(string(n), "\n")
}

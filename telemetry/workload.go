// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"strings"

	"github.com/enmesh-go/enmesh"
)

// The labels of an instance that telemetry reads, as Kubernetes and Istio name
// them. Where two are given, the first that is set counts.
const (
	LabelApp               = "app"
	LabelAppName           = "app.kubernetes.io/name"
	LabelVersion           = "version"
	LabelAppVersion        = "app.kubernetes.io/version"
	LabelWorkload          = "service.istio.io/workload-name"
	LabelCanonicalName     = "service.istio.io/canonical-name"
	LabelCanonicalRevision = "service.istio.io/canonical-revision"
	LabelCluster           = "topology.istio.io/cluster"
)

// Workload is a process, or a set of equal ones, as metrics and logs name it. An
// empty field is unknown.
type Workload struct {
	Name      string // the deployment: "reviews-v1"
	Namespace string
	Principal string // verified identity: "spiffe://cluster.local/ns/default/sa/reviews"
	App       string
	Version   string
	Cluster   string

	CanonicalService  string // "": App, else Name
	CanonicalRevision string // "": Version, else "latest" where the service is known
}

// WorkloadOf reads a workload from labels; label is called once for each of the
// Label constants.
func WorkloadOf(label func(key string) string) Workload {
	return Workload{
		Name:              label(LabelWorkload),
		App:               first(label(LabelApp), label(LabelAppName)),
		Version:           first(label(LabelVersion), label(LabelAppVersion)),
		Cluster:           label(LabelCluster),
		CanonicalService:  first(label(LabelCanonicalName), label(LabelAppName)),
		CanonicalRevision: first(label(LabelCanonicalRevision), label(LabelAppVersion)),
	}
}

// VersionOf is the version that an endpoint's labels say, or "". e may be nil.
func VersionOf(e enmesh.Endpoint) string {
	if e == nil {
		return ""
	}
	if v := e.Label(LabelVersion); v != "" {
		return v
	}
	return e.Label(LabelAppVersion)
}

// WithIdentity is w with principal as its identity; of an identity in Istio's form,
// spiffe://<trust domain>/ns/<namespace>/sa/<account>, the namespace is taken where
// w has none.
func (w Workload) WithIdentity(principal string) Workload {
	w.Principal = principal
	if w.Namespace == "" {
		_, rest, _ := strings.Cut(principal, "/ns/")
		w.Namespace, _, _ = strings.Cut(rest, "/")
	}
	return w
}

// Canonical fills CanonicalService and CanonicalRevision from the other fields, as
// their comments say.
func (w Workload) Canonical() Workload {
	w.CanonicalService = first(w.CanonicalService, w.App, w.Name)
	w.CanonicalRevision = first(w.CanonicalRevision, w.Version)
	if w.CanonicalRevision == "" && w.CanonicalService != "" {
		w.CanonicalRevision = "latest"
	}
	return w
}

// Scope is what is the same for every call of a chain.
type Scope struct {
	Side   enmesh.Side
	Self   Workload      // who this process is
	Naming enmesh.Naming // takes the keys of services apart
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

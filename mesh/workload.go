// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"maps"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/telemetry"
)

// Workload says who this process is: once, for policy, telemetry and identity
// alike. The zero Workload is nobody in particular in the namespace "default".
type Workload struct {
	Service        string // the service it is an instance of, "reviews"
	Namespace      string // "" is "default"
	ServiceAccount string // "" is Service
	Version        string // "": the label "version"
	Labels         map[string]string
	Locality       discovery.Locality
}

func (w Workload) namespace() string {
	if w.Namespace == "" {
		return "default"
	}
	return w.Namespace
}

// labels are the workload's labels, with the version among them.
func (w Workload) labels() map[string]string {
	labels := maps.Clone(w.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	if w.Version != "" {
		labels[telemetry.LabelVersion] = w.Version
	}
	if labels[telemetry.LabelApp] == "" && w.Service != "" {
		labels[telemetry.LabelApp] = w.Service
	}
	return labels
}

// scope is what telemetry says of every call on one side; principal is the
// workload's own identity, "" when it has none.
func (w Workload) scope(side enmesh.Side, n enmesh.Naming, principal string) telemetry.Scope {
	labels := w.labels()
	self := telemetry.WorkloadOf(func(key string) string { return labels[key] })
	self.Namespace = w.namespace()
	if self.Name == "" && w.Service != "" {
		self.Name = w.Service
		if self.Version != "" {
			self.Name += "-" + self.Version
		}
	}
	return telemetry.Scope{Side: side, Self: self.WithIdentity(principal).Canonical(), Naming: n}
}

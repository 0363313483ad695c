// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"strconv"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
)

const unknown = "unknown"

// callLabels are the labels of Istio's standard metrics. The values that
// callValues makes stand in the same order.
var callLabels = []string{
	"reporter",
	"source_workload", "source_workload_namespace", "source_principal", "source_app", "source_version",
	"source_cluster", "source_canonical_service", "source_canonical_revision",
	"destination_workload", "destination_workload_namespace", "destination_principal", "destination_app", "destination_version",
	"destination_cluster", "destination_canonical_service", "destination_canonical_revision",
	"destination_service", "destination_service_name", "destination_service_namespace",
	"request_protocol", "response_code", "response_flags", "grpc_response_status", "connection_security_policy",
}

// callValues are the label values of calls that share key.
func callValues(s telemetry.Scope, k *callKey, peer telemetry.Workload) []string {
	reporter, security := "source", unknown
	service, name, namespace := service(s.Naming, k.service)
	source, destination := s.Self, peer
	if s.Side == enmesh.Server {
		reporter, security = "destination", "none"
		if k.secure {
			security = "mutual_tls"
		}
		source, destination = peer, s.Self
	} else if destination.Namespace == "" {
		destination.Namespace = namespace
	}
	values := make([]string, 0, len(callLabels))
	values = append(values, reporter)
	values = appendWorkload(values, source)
	values = appendWorkload(values, destination)
	values = append(values, service, name, namespace, k.protocol.String(),
		strconv.Itoa(int(k.status)), flag(k.flag), grpcStatus(k), security)
	return orUnknown(values)
}

func appendWorkload(values []string, w telemetry.Workload) []string {
	w = w.Canonical()
	return append(values, w.Name, w.Namespace, w.Principal, w.App, w.Version,
		w.Cluster, w.CanonicalService, w.CanonicalRevision)
}

// service is a destination's full name, and the parts of one of the mesh.
func service(n enmesh.Naming, host string) (full, name, namespace string) {
	switch host {
	case "":
		return "", "", ""
	case overflow:
		return overflow, overflow, ""
	}
	full = n.Key(host)
	name, namespace, ok := n.SplitKey(full)
	if !ok {
		return full, full, ""
	}
	return full, name, namespace
}

func flag(f enmesh.Flag) string {
	if f == "" {
		return telemetry.FlagNone
	}
	return string(f)
}

// notApplicable stands for a label that is empty on purpose.
const notApplicable = "\x00"

func grpcStatus(k *callKey) string {
	if k.protocol != enmesh.GRPC {
		return notApplicable
	}
	return strconv.Itoa(int(k.code))
}

// orUnknown writes "unknown" for what is empty, but not for what does not apply.
func orUnknown(values []string) []string {
	for i, v := range values {
		switch v {
		case "":
			values[i] = unknown
		case notApplicable:
			values[i] = ""
		}
	}
	return values
}

// attemptLabels are the labels of enmesh_attempts_total.
var attemptLabels = []string{
	"source_workload", "source_canonical_service",
	"destination_service", "destination_version", "request_protocol", "response_flags", "outcome",
}

func attemptValues(s telemetry.Scope, k *attemptKey) []string {
	self := s.Self.Canonical()
	full, _, _ := service(s.Naming, k.service)
	return orUnknown([]string{
		self.Name, self.CanonicalService,
		full, k.version, k.protocol.String(), flag(k.flag), k.outcome.String(),
	})
}

// workloadOf is what the labels of an endpoint say; nothing for none.
func workloadOf(e enmesh.Endpoint) telemetry.Workload {
	if e == nil {
		return telemetry.Workload{}
	}
	return telemetry.WorkloadOf(e.Label)
}

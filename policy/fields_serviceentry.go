// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// serviceEntryFields has one row for each field that a ServiceEntry and a WorkloadEntry
// can hold. See virtualServiceFields.
var serviceEntryFields = map[string]row{
	"ServiceEntry.hosts":     yes,
	"ServiceEntry.addresses": not("calls name hosts: no address stands for one"),
	"ServiceEntry.ports":     yes,
	"ServiceEntry.location":  yes,
	"ServiceEntry.resolution": {values: map[string]row{
		"NONE":            {message: "the name that is called is connected to: there is no original destination to keep"},
		"DNS_ROUND_ROBIN": {message: "one of the addresses is used as long as DNS names it"},
	}},
	"ServiceEntry.endpoints":        yes,
	"ServiceEntry.workloadSelector": {verdict: Approximated, message: "selects among the WorkloadEntries that are loaded: pods are not known"},
	"ServiceEntry.exportTo":         yes,
	"ServiceEntry.subjectAltNames":  {message: "where the mesh secures the connection, and no DestinationRule has subjectAltNames; not in TLS of the caller's own"},

	"ServicePort.number":     yes,
	"ServicePort.protocol":   yes,
	"ServicePort.name":       yes,
	"ServicePort.targetPort": yes,

	"WorkloadEntry.address":        yes,
	"WorkloadEntry.ports":          yes,
	"WorkloadEntry.labels":         yes,
	"WorkloadEntry.network":        not("all networks are one: the address itself is connected to"),
	"WorkloadEntry.locality":       yes,
	"WorkloadEntry.weight":         yes,
	"WorkloadEntry.serviceAccount": yes,

	"WorkloadSelector.labels": yes,
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import "slices"

// ConsulInstance is one instance in a [Consul]. Nothing in it is checked: what a client
// must refuse (no address, port 70000) can be said.
type ConsulInstance struct {
	ID              string
	Address         string // "" has clients use the node's
	Port            int
	Tags            []string
	Meta            map[string]string
	TaggedAddresses map[string]ConsulAddress
	// Weights are the shares of an instance that passes and of one that warns; both 0 mean
	// 1 and 1.
	Weights ConsulWeights
	// Node and NodeAddress are the machine's; "" means agent and 127.0.0.1.
	Node, NodeAddress string
	NodeMeta          map[string]string
	// Status is that of the service's own check: passing, warning or critical; "" means
	// passing.
	Status string
	// Checks stand beside the service's own one and the node's, which passes.
	Checks []ConsulCheck

	registered bool // with the agent: Checks are all it has, beside the node's
}

// ConsulAddress is an address of an instance for a purpose, such as "wan".
type ConsulAddress struct {
	Address string
	Port    int
}

// ConsulWeights are the weights of an instance.
type ConsulWeights struct{ Passing, Warning int }

// ConsulCheck is a health check. One without a ServiceID is the node's.
type ConsulCheck struct {
	CheckID   string
	Name      string
	Status    string
	Output    string
	ServiceID string
}

// consulRow is an instance as /v1/health/service has it.
type consulRow struct {
	Node    consulNodeRow
	Service consulServiceRow
	Checks  []consulCheckRow
}

type consulNodeRow struct {
	ID, Node, Address, Datacenter string
	TaggedAddresses, Meta         map[string]string
	CreateIndex, ModifyIndex      uint64
}

type consulServiceRow struct {
	ID, Service              string
	Tags                     []string
	Address                  string
	TaggedAddresses          map[string]ConsulAddress
	Meta                     map[string]string
	Port                     int
	Weights                  ConsulWeights
	EnableTagOverride        bool
	CreateIndex, ModifyIndex uint64
}

type consulCheckRow struct {
	Node, CheckID, Name, Status, Notes, Output string
	ServiceID, ServiceName                     string
	ServiceTags                                []string
	Type                                       string
	CreateIndex, ModifyIndex                   uint64
}

// row is the instance as the health endpoint shows it.
func (in ConsulInstance) row(datacenter, service string, index uint64) consulRow {
	node, nodeAddress := in.Node, in.NodeAddress
	if node == "" {
		node = consulNode
	}
	if nodeAddress == "" {
		nodeAddress = "127.0.0.1"
	}
	return consulRow{
		Node: consulNodeRow{
			ID: "00000000-0000-0000-0000-" + fixed(node), Node: node, Address: nodeAddress, Datacenter: datacenter,
			TaggedAddresses: map[string]string{"lan": nodeAddress, "wan": nodeAddress},
			Meta:            in.NodeMeta, CreateIndex: 5, ModifyIndex: 5,
		},
		Service: in.service(service, index),
		Checks:  in.checks(node, service, index),
	}
}

// fixed makes the last part of an id from a name.
func fixed(name string) string {
	const digits = "0123456789ab"
	id := []byte("000000000000")
	for i := range name {
		id[i%len(id)] = digits[(int(id[i%len(id)])+int(name[i]))%len(digits)]
	}
	return string(id)
}

func (in ConsulInstance) service(name string, index uint64) consulServiceRow {
	weights := in.Weights
	if weights == (ConsulWeights{}) {
		weights = ConsulWeights{Passing: 1, Warning: 1}
	}
	tags := in.Tags
	if tags == nil {
		tags = []string{}
	}
	return consulServiceRow{
		ID: in.ID, Service: name, Tags: tags, Address: in.Address, TaggedAddresses: in.TaggedAddresses,
		Meta: in.Meta, Port: in.Port, Weights: weights, CreateIndex: index, ModifyIndex: index,
	}
}

func (in ConsulInstance) checks(node, service string, index uint64) []consulCheckRow {
	status := in.Status
	if status == "" {
		status = "passing"
	}
	all := []ConsulCheck{{CheckID: "serfHealth", Name: "Serf Health Status", Status: "passing", Output: "Agent alive and reachable"}}
	if !in.registered {
		all = append(all, ConsulCheck{
			CheckID: "service:" + in.ID, Name: "Service '" + service + "' check", Status: status, ServiceID: in.ID,
		})
	}
	all = append(all, in.Checks...)
	rows := make([]consulCheckRow, 0, len(all))
	for _, c := range all {
		row := consulCheckRow{
			Node: node, CheckID: c.CheckID, Name: c.Name, Status: c.Status, Output: c.Output,
			ServiceID: c.ServiceID, ServiceTags: []string{}, CreateIndex: index, ModifyIndex: index,
		}
		if c.ServiceID != "" {
			row.ServiceName, row.Type = service, "ttl"
		}
		rows = append(rows, row)
	}
	return rows
}

// passes reports whether all checks do.
func (r consulRow) passes() bool {
	return !slices.ContainsFunc(r.Checks, func(c consulCheckRow) bool { return c.Status != "passing" })
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Service is an instance to register with a node's agent. Its check is a TTL check
// with the id service:ID, which passes at first unless Status says otherwise and stays so
// for TTL.
type Service struct {
	ID      string
	Name    string
	Address string
	Port    int
	Tags    []string
	Meta    map[string]string
	// Weights are those of an instance that passes, and of one that warns; 0 means 1.
	Passing, Warning int
	// TTL is how long the check keeps its status; 0 means ten minutes.
	TTL time.Duration
	// Status is what the check says at first; "" means passing.
	Status string
}

// Register registers the instance.
func (n *Node) Register(s Service) {
	n.t.Helper()
	ttl, status := s.TTL, s.Status
	if ttl == 0 {
		ttl = 10 * time.Minute
	}
	if status == "" {
		status = "passing"
	}
	n.OK(http.MethodPut, "/v1/agent/service/register", map[string]any{
		"ID": s.ID, "Name": s.Name, "Address": s.Address, "Port": s.Port, "Tags": s.Tags, "Meta": s.Meta,
		"Weights": map[string]int{"Passing": max(s.Passing, 1), "Warning": max(s.Warning, 1)},
		"Check":   map[string]string{"CheckID": "service:" + s.ID, "TTL": ttl.String(), "Status": status},
	}, nil)
}

// Deregister takes the instance away.
func (n *Node) Deregister(id string) {
	n.t.Helper()
	n.OK(http.MethodPut, "/v1/agent/service/deregister/"+url.PathEscape(id), nil, nil)
}

// SetStatus sets the check of an instance to passing, warning or critical.
func (n *Node) SetStatus(id, status string) {
	n.t.Helper()
	n.OK(http.MethodPut, "/v1/agent/check/update/"+url.PathEscape("service:"+id), map[string]string{"Status": status}, nil)
}

// Maintain puts an instance into maintenance, or takes it out.
func (n *Node) Maintain(id string, on bool) {
	n.t.Helper()
	n.OK(http.MethodPut, "/v1/agent/service/maintenance/"+url.PathEscape(id)+"?enable="+strconv.FormatBool(on), nil, nil)
}

// MaintainNode puts the whole node into maintenance, or takes it out.
func (n *Node) MaintainNode(on bool) {
	n.t.Helper()
	n.OK(http.MethodPut, "/v1/agent/maintenance?enable="+strconv.FormatBool(on), nil, nil)
}

// Instance is what the catalogue says of one instance.
type Instance struct {
	ID      string
	Address string
	Port    int
	Tags    []string
	Meta    map[string]string
	Status  string // the worst of its checks: passing, warning or critical
}

// Instances are those of a service as the health endpoint has them, of all states.
func (n *Node) Instances(service string) []Instance {
	n.t.Helper()
	var rows []struct {
		Service struct {
			ID, Address string
			Port        int
			Tags        []string
			Meta        map[string]string
		}
		Checks []struct{ Status string }
	}
	n.OK(http.MethodGet, "/v1/health/service/"+url.PathEscape(service), nil, &rows)
	found := make([]Instance, 0, len(rows))
	for _, r := range rows {
		s := r.Service
		in := Instance{ID: s.ID, Address: s.Address, Port: s.Port, Tags: s.Tags, Meta: s.Meta, Status: "passing"}
		for _, c := range r.Checks {
			in.Status = worse(in.Status, c.Status)
		}
		found = append(found, in)
	}
	return found
}

func worse(a, b string) string {
	rank := map[string]int{"passing": 0, "warning": 1, "critical": 2}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

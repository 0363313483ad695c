// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package connect

import (
	"fmt"
	"strings"

	"github.com/enmesh-go/enmesh/security"
)

// Service is who a Consul SPIFFE ID names.
type Service struct {
	TrustDomain string // "<uuid>.consul"
	Namespace   string // "default" outside Consul Enterprise
	Datacenter  string
	Name        string
}

// ParseService reads an ID of the form
// "spiffe://<trust domain>/ns/<namespace>/dc/<datacenter>/svc/<name>". It reports false for
// any other, those of agents and gateways among them.
func ParseService(id security.ID) (Service, bool) {
	part := strings.Split(id.Path(), "/")
	if len(part) != 7 || part[1] != "ns" || part[3] != "dc" || part[5] != "svc" {
		return Service{}, false
	}
	return Service{TrustDomain: id.TrustDomain(), Namespace: part[2], Datacenter: part[4], Name: part[6]}, true
}

// ID is the service's SPIFFE ID; "" for Namespace is "default". Errors wrap
// [security.ErrInvalidID].
func (s Service) ID() (security.ID, error) {
	if s.Namespace == "" {
		s.Namespace = "default"
	}
	for _, part := range []string{s.Namespace, s.Datacenter, s.Name} {
		if strings.Contains(part, "/") {
			return security.ID{}, fmt.Errorf("connect: %w: %q is not one segment", security.ErrInvalidID, part)
		}
	}
	id, err := security.ParseID("spiffe://" + s.TrustDomain + "/ns/" + s.Namespace + "/dc/" + s.Datacenter + "/svc/" + s.Name)
	if err != nil {
		return security.ID{}, fmt.Errorf("connect: %w", err)
	}
	return id, nil
}

// MatchID reports whether id names the service, in the same trust domain and namespace. An
// empty Datacenter is any, as it is for Consul's intentions. So a Service is the
// expectation that mtls.Client is given.
func (s Service) MatchID(id security.ID) bool {
	other, ok := ParseService(id)
	if s.Datacenter == "" {
		other.Datacenter = ""
	}
	if s.Namespace == "" {
		s.Namespace = "default"
	}
	return ok && s == other && s.TrustDomain != "" && s.Name != ""
}

// String is the ID, with "*" for any datacenter.
func (s Service) String() string {
	if s.Namespace == "" {
		s.Namespace = "default"
	}
	if s.Datacenter == "" {
		s.Datacenter = "*"
	}
	return "spiffe://" + s.TrustDomain + "/ns/" + s.Namespace + "/dc/" + s.Datacenter + "/svc/" + s.Name
}

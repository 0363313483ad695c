// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca/connect"
)

const td = "11111111-2222-3333-4444-555555555555.consul"

func ExampleParseService() {
	id := security.MustParseID("spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/web")
	s, ok := connect.ParseService(id)
	fmt.Println(s.Name, s.Datacenter, ok)
	// Output: web dc1 true
}

// What a client expects of the service that it calls, in whatever datacenter.
func ExampleService() {
	api := connect.Service{TrustDomain: "11111111-2222-3333-4444-555555555555.consul", Name: "api"}
	fmt.Println(api)
	fmt.Println(api.MatchID(security.MustParseID("spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc2/svc/api")))
	fmt.Println(api.MatchID(security.MustParseID("spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc2/svc/api-evil")))
	// Output:
	// spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/*/svc/api
	// true
	// false
}

func TestParseService(t *testing.T) {
	for path, want := range map[string]bool{
		"/ns/default/dc/dc1/svc/web":       true,
		"/ns/default/dc/dc1/svc/web/x":     false,
		"/ap/p1/ns/default/dc/dc1/svc/web": false,
		"/agent/client/dc/dc1/id/x":        false,
		"/gateway/mesh/dc/dc1":             false,
		"/ns/default/sa/web":               false,
		"/ns/default/dc/dc1/service/web":   false,
		"/x/ns/default/dc/dc1/svc":         false,
	} {
		id := security.MustParseID("spiffe://" + td + path)
		s, ok := connect.ParseService(id)
		if ok != want {
			t.Errorf("%s: got %+v, %t, want %t", path, s, ok, want)
		}
		if !ok {
			continue
		}
		if back, err := s.ID(); err != nil || back != id {
			t.Errorf("%s: back to an ID: got %v, %v", path, back, err)
		}
	}
}

func TestService_MatchID(t *testing.T) {
	web := security.MustParseID("spiffe://" + td + "/ns/default/dc/dc1/svc/web")
	for _, tt := range []struct {
		s    connect.Service
		want bool
	}{
		{connect.Service{TrustDomain: td, Name: "web"}, true},
		{connect.Service{TrustDomain: td, Name: "web", Namespace: "default", Datacenter: "dc1"}, true},
		{connect.Service{TrustDomain: td, Name: "web", Datacenter: "dc2"}, false},
		{connect.Service{TrustDomain: td, Name: "web", Namespace: "other"}, false},
		{connect.Service{TrustDomain: td, Name: "we"}, false},
		{connect.Service{TrustDomain: "x.consul", Name: "web"}, false},
		{connect.Service{TrustDomain: td}, false},
		{connect.Service{Name: "web"}, false},
		{connect.Service{}, false},
	} {
		if got := tt.s.MatchID(web); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.s, got, tt.want)
		}
	}
}

func TestService_ID_refuses(t *testing.T) {
	for _, s := range []connect.Service{
		{}, {TrustDomain: td}, {TrustDomain: td, Datacenter: "dc1"}, {TrustDomain: td, Name: "web"},
		{TrustDomain: td, Datacenter: "dc1", Name: "a/svc/web"}, {TrustDomain: td, Datacenter: "dc1", Name: ".."},
		{TrustDomain: "A", Datacenter: "dc1", Name: "web"},
	} {
		if id, err := s.ID(); !errors.Is(err, security.ErrInvalidID) {
			t.Errorf("%+v: got %v, %v, want ErrInvalidID", s, id, err)
		}
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions_test

import (
	"fmt"
	"testing"

	"github.com/enmesh-go/enmesh/enmeshtest"
)

// Istio took the dots in the names of service accounts for "any character".
func TestCVE_2026_39350_namesAreNoPatterns(t *testing.T) {
	a := of(t, `[{"SourceName":"cert-manager.io","DestinationName":"web","Action":"allow"}]`, "deny")
	for service, want := range map[string]bool{
		"cert-manager.io": true, "cert-manager-io": false, "cert-managerxio": false, "cert-manager.io2": false, "xcert-manager.io": false, "Cert-Manager.io": false,
	} {
		if d := a.Explain(call(id(service))); d.Allowed != want {
			t.Errorf("%s: got %+v, want %t", service, d, want)
		}
	}
}

// A service is named by its whole name, in its whole ID.
func TestScenarioT8_namesAreWhole(t *testing.T) {
	a := of(t, `[{"SourceName":"web","DestinationName":"web","Action":"allow"}]`, "deny")
	for _, identity := range []string{
		id("web-evil"), id("webX"), id("we"), id("x/svc/web"), id("web/x"), "spiffe://" + td + "/ns/default/dc/x/svc/y/dc/z/svc/web",
		"spiffe://" + td + "x/ns/default/dc/dc1/svc/web", "x" + id("web"),
	} {
		if d := a.Explain(call(identity)); d.Allowed {
			t.Errorf("%s was allowed: %+v", identity, d)
		}
	}
}

// Envoy compared a header's values as one text, joined by commas, so that a second value
// hid a forbidden one.
func TestCVE_2026_26308_everyValueOfAHeader(t *testing.T) {
	deny := of(t, `[{"SourceName":"a","DestinationName":"web","Permissions":[{"Action":"deny","HTTP":{"Header":[{"Name":"x-role","Exact":"admin"}]}}]}]`, "allow")
	allow := of(t, `[{"SourceName":"a","DestinationName":"web","Permissions":[{"Action":"allow","HTTP":{"Header":[{"Name":"x-role","Exact":"user"}]}}]}]`, "deny")
	for _, values := range [][]string{{"user", "admin"}, {"admin", "user"}, {"admin", "admin"}} {
		c := call(id("a"))
		c.Header = enmeshtest.Header{"X-Role": values}
		if d := deny.Explain(c); d.Allowed {
			t.Errorf("%q was not denied: %+v", values, d)
		}
		if d := allow.Explain(c); d.Allowed {
			t.Errorf("%q was allowed: %+v", values, d)
		}
	}
}

// grpc-go left out matchers that it did not know, and so allowed what they forbade.
func TestGHSA_hrxh_6v49_42gf_unknownMatchersDeny(t *testing.T) {
	for _, action := range []string{"allow", "deny"} {
		for _, condition := range []string{`"HTTP":{"QueryParam":[{"Name":"x"}]}`, `"Metadata":{}`, `"HTTP":{"Header":[{"Name":"x","Range":{}}]}`} {
			list := fmt.Sprintf(`[{"SourceName":"a","DestinationName":"web","Permissions":[{"Action":"allow"},{"Action":%q,%s}]}]`, action, condition)
			if d := of(t, list, "allow").Explain(call(id("a"))); d.Allowed {
				t.Errorf("%s: got %+v, want a denial", list, d)
			}
		}
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/mesh"
)

func TestExplain_ownKinds(t *testing.T) {
	y := newYard(t, "http", noRetries)
	y.own(ownDoc("CircuitBreaker", "host: reviews") + ownDoc("Throttle", "host: reviews, shadow: true") + ownDoc("Hedge", "host: ratings"))
	x, err := y.caller.Explain(t.Context(), mesh.Query{Protocol: enmesh.HTTP, Host: "reviews", Method: "GET", Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range x.Destinations[0].Policies {
		got = append(got, strings.ReplaceAll(p, y.policies, ""))
	}
	if want := []string{"Throttle default/throttle /z-own.yaml:7 (shadow)", "CircuitBreaker default/circuitbreaker /z-own.yaml:2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

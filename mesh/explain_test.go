// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"net/http"
	"testing"

	"github.com/enmesh-go/enmesh/mesh"
)

func TestTry(t *testing.T) {
	s := newStreet(t, "reviews", "ratings")
	m := s.open(t, s.web, subsets+"\n---\n"+forReviews(`
	  {name: sold, match: [{uri: {prefix: /v2}, name: x}, {headers: {end-user: {exact: jason}}}], route: [{destination: {host: ratings}}]},
	  {match: [{uri: {prefix: /v1}}], rewrite: {uri: /}, fault: {delay: {fixedDelay: 1s, percentage: {value: 10}}}, timeout: 3s, mirror: {host: ratings}, route: [{destination: {host: reviews, subset: v1}, weight: 90}, {destination: {host: reviews, subset: v2}, weight: 10}]}`))
	x, err := m.Explain(t.Context(), mesh.Query{Host: "reviews", Path: "/v1/x", Header: http.Header{"End-User": {"ann"}}})
	t.Log(err, "\n"+x.String())
	x, err = m.Explain(t.Context(), mesh.Query{Host: "ratings:80", Path: "/v1/x"})
	t.Log(err, "\n"+x.String())
	x, err = m.Explain(t.Context(), mesh.Query{Host: "nobody", Path: "/v1/x"})
	t.Log(err, "\n"+x.String())
	x, err = m.Explain(t.Context(), mesh.Query{Host: "reviews", Path: "/v3/x"})
	t.Log(err, "\n"+x.String())
}

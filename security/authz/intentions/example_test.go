// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/authz/intentions"
)

// consul is an agent with two intentions for web, that never change.
func consul(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/roots"):
		_, _ = w.Write([]byte(`{"TrustDomain": "11111111-2222-3333-4444-555555555555.consul"}`))
	case r.URL.Query().Get("index") != "":
		<-r.Context().Done()
	default:
		w.Header().Set("X-Consul-Index", "7")
		w.Header().Set("X-Consul-Default-ACL-Policy", "deny")
		_, _ = w.Write([]byte(`{"web": [
			{"SourceName": "shop", "DestinationName": "web", "Action": "allow", "Precedence": 9},
			{"SourceName": "*", "DestinationName": "web", "Precedence": 8,
			 "Permissions": [{"Action": "allow", "HTTP": {"PathPrefix": "/public/", "Methods": ["GET"]}}]}
		]}`))
	}
}

func ExampleNew() {
	agent := httptest.NewServer(http.HandlerFunc(consul))
	defer agent.Close()
	allowed, err := intentions.New(context.Background(), intentions.Config{Service: "web", API: &api.Config{Address: agent.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer allowed.Close()
	for _, from := range []string{"shop", "batch"} {
		c := &enmesh.Call{
			Side: enmesh.Server, Method: "GET", Path: "/orders",
			Source: &enmesh.Peer{Identity: "spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/" + from},
		}
		_, err := allowed.Admit(context.Background(), c)
		fmt.Println(from, err)
		d := allowed.Explain(c)
		fmt.Println(d.Intention, "|", d.Reason)
	}
	// Output:
	// shop <nil>
	// shop => web (precedence 9) | by the intention
	// batch intentions: access denied
	// * => web (precedence 8) | none of the intention's permissions matches: by default
}

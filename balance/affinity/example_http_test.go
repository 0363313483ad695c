// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package affinity_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/affinity"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// A session: the first answer brings a cookie, and whoever sends it back comes to the
// same instance.
func Example() {
	var endpoints []discovery.Endpoint
	for _, name := range []string{"a", "b", "c"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
		defer server.Close()
		endpoints = append(endpoints, discovery.Endpoint{Addrs: []string{server.Listener.Addr().String()}})
	}
	session, err := affinity.Cookie(affinity.CookieConfig{Name: "session", Path: "/", Generate: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"cart": endpoints}, balance.Maglev(balance.MaglevConfig{}))
	transport := meshhttp.NewTransport(nil, enmesh.Fixed(false, session), source)
	defer transport.Close()
	client := &http.Client{Transport: transport, Jar: jar}

	instances := map[string]int{}
	for range 20 {
		res, err := client.Get("http://cart/")
		if err != nil {
			fmt.Println(err)
			return
		}
		name, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		instances[string(name)]++
	}
	fmt.Println("instances that 20 calls came to:", len(instances))
	// Output: instances that 20 calls came to: 1
}

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
	a, b, c := instance("a"), instance("b"), instance("c")
	defer a.Close()
	defer b.Close()
	defer c.Close()
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
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"cart": {
		{Addrs: []string{a.Listener.Addr().String()}}, {Addrs: []string{b.Listener.Addr().String()}}, {Addrs: []string{c.Listener.Addr().String()}},
	}}, balance.Maglev(balance.MaglevConfig{}))
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

// instance answers with its name.
func instance(name string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
}

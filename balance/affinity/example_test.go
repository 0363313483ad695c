// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package affinity_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/affinity"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// pick runs a call through the policy and says which endpoint its key belongs to.
func pick(policy enmesh.Middleware, describe func(*enmesh.Call)) string {
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"reviews": {
		{Addrs: []string{"10.0.0.1:9080"}}, {Addrs: []string{"10.0.0.2:9080"}}, {Addrs: []string{"10.0.0.3:9080"}},
	}}, balance.Maglev(balance.MaglevConfig{}))
	picker := source.Cluster(enmesh.Destination{Service: "reviews"}, enmesh.HTTP).Picker()
	var addr string
	w := enmeshtest.NewWire(func(_ context.Context, c *enmesh.Call) error {
		e, err := picker.Pick(c)
		if err == nil {
			addr = e.Addr()
		}
		return err
	})
	describe(w.Call())
	if err := w.Do(context.Background(), enmesh.Fixed(false, policy)); err != nil {
		return err.Error()
	}
	w.Finish(nil)
	return addr
}

func ExampleHeader() {
	policy := affinity.Header("x-user")
	for _, user := range []string{"jason", "anna", "jason", "anna"} {
		fmt.Println(user, pick(policy, func(c *enmesh.Call) { c.Header = enmeshtest.Header{"X-User": {user}} }))
	}
	// Output:
	// jason 10.0.0.3:9080
	// anna 10.0.0.1:9080
	// jason 10.0.0.3:9080
	// anna 10.0.0.1:9080
}

func ExampleQuery() {
	policy := affinity.Query("book")
	for _, query := range []string{"book=1", "page=2&book=1"} {
		fmt.Println(query, pick(policy, func(c *enmesh.Call) { c.Query = query }))
	}
	// Output:
	// book=1 10.0.0.1:9080
	// page=2&book=1 10.0.0.1:9080
}

func ExampleSourceAddress() {
	policy := affinity.SourceAddress(netip.MustParseAddr("10.0.9.1"))
	fmt.Println("every call of this process:", pick(policy, func(*enmesh.Call) {}))
	// Output: every call of this process: 10.0.0.3:9080
}

func ExampleCookie() {
	policy, err := affinity.Cookie(affinity.CookieConfig{Name: "session"})
	if err != nil {
		fmt.Println(err)
		return
	}
	cookies := enmeshtest.Header{"Cookie": {"theme=dark; session=4711"}}
	fmt.Println(pick(policy, func(c *enmesh.Call) { c.Header = cookies }))
	// Output: 10.0.0.3:9080
}

func ExampleKeyOf() {
	call := &enmesh.Call{Key: affinity.KeyOf("jason")} // what Header does, by hand
	fmt.Printf("%x\n", call.Key)
	// Output: bae90e0841dcabff
}

func ExampleAttributes() {
	cfg := affinity.CookieConfig{
		Name: "session", Generate: true, Path: "/",
		Attributes: affinity.Attributes(affinity.Attribute{Name: "SameSite", Value: "Strict"}, affinity.Attribute{Name: "Secure"}),
	}
	fmt.Println(cfg.Attributes, cfg.Validate())
	// Output: SameSite=Strict; Secure <nil>
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

func ExampleAnyOf() {
	web := security.MustParseID("spiffe://cluster.local/ns/default/sa/web")
	batch := security.MustParseID("spiffe://cluster.local/ns/default/sa/batch")
	admin := security.MustParseID("spiffe://cluster.local/ns/default/sa/web-admin")
	m := security.AnyOf(web, batch)
	fmt.Println(m.MatchID(web), m.MatchID(batch), m.MatchID(admin))
	// Output: true true false
}

func ExampleInTrustDomain() {
	m := security.InTrustDomain("cluster.local")
	fmt.Println(m.MatchID(security.MustParseID("spiffe://cluster.local/ns/default/sa/web")))
	fmt.Println(m.MatchID(security.MustParseID("spiffe://cluster.local.evil/ns/default/sa/web")))
	// Output:
	// true
	// false
}

// An identity that does not change, as a Source.
func ExampleFixed() {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	issued, err := authority.Issue(security.MustParseID("spiffe://cluster.local/ns/default/sa/web"))
	if err != nil {
		fmt.Println(err)
		return
	}
	source := security.Fixed(issued)
	identity, err := source.Identity()
	fmt.Println(identity.ID(), err)
	// Output: spiffe://cluster.local/ns/default/sa/web <nil>
}

// Who a certificate says it is for. Whether that is true is for Identity.Verify.
func ExampleCertificateID() {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	issued, err := authority.Issue(security.MustParseID("spiffe://cluster.local/ns/default/sa/web"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(security.CertificateID(issued.Certificate().Leaf))
	// Output: spiffe://cluster.local/ns/default/sa/web <nil>
}

// How long a process's certificate is good, and whether it should get new work.
func ExampleNewMonitor() {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{TTL: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	web, err := authority.Issue(security.MustParseID("spiffe://cluster.local/ns/default/sa/web"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, later := range []time.Duration{0, 58 * time.Minute} {
		monitor, err := security.NewMonitor(security.Fixed(web), security.MonitorConfig{
			Now: func() time.Time { return time.Now().Add(later) },
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(monitor.Status().ID, errors.Is(monitor.Ready(), security.ErrNotReady))
	}
	// Output:
	// spiffe://cluster.local/ns/default/sa/web false
	// spiffe://cluster.local/ns/default/sa/web true
}

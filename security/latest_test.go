// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

// Whoever watches a directory of certificates feeds the identities that come to it.
func ExampleLatest() {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var source security.Latest
	_, err = source.Identity()
	fmt.Println(err)
	issued, err := authority.Issue(security.MustParseID("spiffe://cluster.local/ns/default/sa/web"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(source.Take(issued))
	source.Fail(errors.New("the directory is gone"))
	own, err := source.Identity()
	fmt.Println(own.ID(), err)
	fmt.Println(source.Err())
	// Output:
	// security: no identity that is good now
	// <nil>
	// spiffe://cluster.local/ns/default/sa/web <nil>
	// the directory is gone
}

func TestLatest_givesTheLastUntilItsEnd(t *testing.T) {
	now := time.Now()
	l := security.Latest{Now: func() time.Time { return now }}
	select {
	case <-l.Ready():
		t.Fatal("ready without an identity")
	default:
	}
	if err := l.Err(); !errors.Is(err, security.ErrNoIdentity) {
		t.Errorf("before the first: got %v, want ErrNoIdentity", err)
	}
	own := issue(t, development(t, "td"), "web")
	if err := l.Take(own); err != nil {
		t.Fatal(err)
	}
	<-l.Ready()
	why := errors.New("the agent is gone")
	l.Fail(why)
	now = own.NotAfter().Add(-time.Nanosecond)
	if got, err := l.Identity(); err != nil || got != own {
		t.Errorf("just before the end: got %v, %v, want it", got, err)
	}
	now = own.NotAfter()
	if got, err := l.Identity(); !errors.Is(err, security.ErrNoIdentity) || !errors.Is(err, why) || got != nil {
		t.Errorf("at the end: got %v, %v, want ErrNoIdentity and why", got, err)
	}
	l.Fail(nil)
	if err := l.Err(); !errors.Is(err, security.ErrNoIdentity) || errors.Is(err, why) {
		t.Errorf("Err after the end: got %v, want ErrNoIdentity alone", err)
	}
}

func TestLatest_takesNothingBad(t *testing.T) {
	d := development(t, "td")
	own := issue(t, d, "web")
	var told []string
	l := security.Latest{OnUpdate: func(i *security.Identity, err error) {
		told = append(told, fmt.Sprintf("identity %t, failure %t", i != nil, err != nil))
	}}
	if err := l.Take(own); err != nil {
		t.Fatal(err)
	}
	late := ca.Config{Now: func() time.Time { return time.Now().Add(-24 * time.Hour) }, TTL: time.Hour}
	old, err := ca.NewDevelopment("td", late)
	if err != nil {
		t.Fatal(err)
	}
	ended, err := old.Issue(own.ID())
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := security.NewIdentity(tls.Certificate{
		Certificate: own.Certificate().Certificate, PrivateKey: own.Certificate().PrivateKey,
	}, map[string][]*x509.Certificate{"td": development(t, "td").Roots()})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []*security.Identity{ended, stranger} {
		if err := l.Take(bad); err == nil || l.Err() == nil {
			t.Errorf("%v was taken", bad)
		}
		if got, err := l.Identity(); err != nil || got != own {
			t.Errorf("after it: got %v, %v, want the one before", got, err)
		}
	}
	l.Fail(l.Err()) // not told twice
	if err := l.Take(own); err != nil || l.Err() != nil {
		t.Errorf("a good one again: %v, %v", err, l.Err())
	}
	const taken, kept = "identity true, failure false", "identity true, failure true"
	if want := []string{taken, kept, kept, taken}; !slices.Equal(told, want) {
		t.Errorf("OnUpdate was told %q, want %q", told, want)
	}
}

func TestLatest_concurrent(t *testing.T) {
	var l security.Latest
	own := issue(t, development(t, "td"), "web")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			<-l.Ready()
			for range 100 {
				_, _ = l.Identity()
				_ = l.Err()
			}
		})
		wg.Go(func() {
			for n := range 20 {
				_ = l.Take(own)
				l.Fail(fmt.Errorf("failure %d", n))
			}
		})
	}
	wg.Wait()
}

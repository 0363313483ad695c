// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package spiffe_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/spiffe"
)

func TestSource_followsRotationAndFederation(t *testing.T) {
	a, own, other := newAgent(t), authority(t, domain, time.Hour), authority(t, "other.org", time.Hour)
	a.say(answer(svid(t, own, "/web")), nil)
	var mu sync.Mutex
	var told []string
	s := open(t, a, spiffe.Config{OnUpdate: func(i *security.Identity, err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, i.ID().Path())
		if err != nil {
			t.Errorf("told of %v", err)
		}
	}})
	first, err := s.Identity()
	if err != nil || first.ID().String() != "spiffe://"+domain+"/web" || first.Roots("other.org") != nil {
		t.Fatalf("got the identity %v, %v, want that of /web with its own roots alone", first, err)
	}
	before := leaf(t, s)
	next := answer(svid(t, own, "/web"))
	next.FederatedBundles = map[string][]byte{"spiffe://other.org": bundle(other)}
	a.say(next, nil)
	await(t, "the second certificate", func() bool { return leaf(t, s) != before })
	if i, _ := s.Identity(); i.Roots("other.org") == nil {
		t.Error("the roots of the federated domain are not there")
	}
	a.say(answer(svid(t, own, "/web")), nil)
	await(t, "the end of the federation", func() bool { i, _ := s.Identity(); return i.Roots("other.org") == nil })
	if err := s.Err(); err != nil {
		t.Errorf("Err: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(told) != 3 {
		t.Errorf("OnUpdate was told of %v, want three identities", told)
	}
}

// The socket gone, an error, an empty set, an identity that has ended, one without roots, a
// key of another: whatever the agent does, the last good identity stays.
func TestScenarioT15_lastIdentityStays(t *testing.T) {
	own, other := authority(t, domain, time.Hour), authority(t, "other.org", time.Hour)
	ended, err := ca.NewDevelopment(domain, ca.Config{TTL: time.Hour, Now: func() time.Time { return time.Now().Add(-2 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	swapped, foreign := svid(t, own, "/web"), svid(t, own, "/web")
	swapped.X509SvidKey = svid(t, own, "/web").X509SvidKey
	foreign.Bundle = bundle(other)
	rootless := svid(t, own, "/web")
	rootless.Bundle = nil
	for _, tt := range []struct {
		name string
		do   func(a *agent)
		says string
	}{
		{"empty set", func(a *agent) { a.say(answer(), nil) }, "no SVIDs"},
		{"no identity any more", func(a *agent) { a.say(nil, status.Error(codes.PermissionDenied, "no identity issued")) }, "no identity issued"},
		{"the watch cancelled", func(a *agent) { a.say(nil, status.Error(codes.Canceled, "going down")) }, "going down"},
		{"invalid, it says", func(a *agent) { a.say(nil, status.Error(codes.InvalidArgument, "who are you")) }, "who are you"},
		{"ended", func(a *agent) { a.say(answer(svid(t, ended, "/web")), nil) }, "cannot be used"},
		{"key of another", func(a *agent) { a.say(answer(swapped), nil) }, "key"},
		{"roots of another domain", func(a *agent) { a.say(answer(foreign), nil) }, "cannot be used"},
		{"no roots", func(a *agent) { a.say(answer(rootless), nil) }, "root"},
		{"garbage", func(a *agent) {
			a.say(answer(&workload.X509SVID{SpiffeId: "x", X509Svid: []byte("x"), X509SvidKey: []byte("y")}), nil)
		}, "certificate"},
		{"no socket", func(a *agent) { a.stop() }, "navailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAgent(t)
			a.say(answer(svid(t, own, "/web")), nil)
			s := open(t, a, spiffe.Config{})
			before := leaf(t, s)
			tt.do(a)
			await(t, "the failure", func() bool { return s.Err() != nil })
			if got := s.Err().Error(); !strings.Contains(got, tt.says) {
				t.Errorf("Err: got %q, want %q in it", got, tt.says)
			}
			if leaf(t, s) != before {
				t.Error("the identity changed")
			}
			if tt.name == "no socket" {
				a.start()
			}
			a.say(answer(svid(t, own, "/web")), nil)
			await(t, "the next identity", func() bool { return leaf(t, s) != before && s.Err() == nil })
		})
	}
}

func TestSource_endsWithItsCertificate(t *testing.T) {
	a, own := newAgent(t), authority(t, domain, time.Hour)
	a.say(answer(svid(t, own, "/web")), nil)
	var mu sync.Mutex
	late := time.Duration(0)
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(late)
	}
	s := open(t, a, spiffe.Config{Now: now})
	a.stop()
	await(t, "the failure", func() bool { return s.Err() != nil })
	leaf(t, s)
	mu.Lock()
	late = 2 * time.Hour
	mu.Unlock()
	if i, err := s.Identity(); !errors.Is(err, security.ErrNoIdentity) || i != nil {
		t.Errorf("after the end: got %v, %v, want ErrNoIdentity", i, err)
	}
}

func TestSource_chooses(t *testing.T) {
	a, own := newAgent(t), authority(t, domain, time.Hour)
	web, db := svid(t, own, "/web"), svid(t, own, "/db")
	db.Hint = "internal"
	a.say(answer(web, db), nil)
	for _, tt := range []struct {
		cfg  spiffe.Config
		want string
	}{
		{spiffe.Config{}, "/web"},
		{spiffe.Config{Hint: "internal"}, "/db"},
		{spiffe.Config{ID: security.MustParseID("spiffe://" + domain + "/db")}, "/db"},
	} {
		if own, err := open(t, a, tt.cfg).Identity(); err != nil || own.ID().Path() != tt.want {
			t.Errorf("ID %q and hint %q: got %v, %v, want %s", tt.cfg.ID, tt.cfg.Hint, own, err, tt.want)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := spiffe.New(ctx, spiffe.Config{Address: a.address(), Hint: "external"})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "external") {
		t.Errorf("a hint that nobody has: got %v, want the reason and the deadline", err)
	}
}

func TestNew_refuses(t *testing.T) {
	t.Setenv("SPIFFE_ENDPOINT_SOCKET", "")
	for name, cfg := range map[string]spiffe.Config{
		"no address":      {},
		"no scheme":       {Address: "/run/agent.sock"},
		"a host's name":   {Address: "tcp://localhost:8081"},
		"negative wait":   {Address: "unix:///a", Backoff: spiffe.Backoff{Base: -1}},
		"bound too small": {Address: "unix:///a", Backoff: spiffe.Backoff{Base: time.Second, Cap: time.Millisecond}},
	} {
		if s, err := spiffe.New(t.Context(), cfg); err == nil || !strings.HasPrefix(err.Error(), "spiffe: ") {
			t.Errorf("%s: got %v, %v, want a refusal", name, s, err)
		}
	}
}

func TestNew_saysWhyThereIsNoIdentity(t *testing.T) {
	a := newAgent(t)
	a.say(nil, status.Error(codes.PermissionDenied, "no identity issued"))
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := spiffe.New(ctx, spiffe.Config{Address: a.address()})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no identity issued") {
		t.Errorf("got %v, want the deadline and what the agent said", err)
	}
}

// Close waits, and nothing changes after it.
func TestSource_Close(t *testing.T) {
	a, own := newAgent(t), authority(t, domain, time.Hour)
	a.say(answer(svid(t, own, "/web")), nil)
	s := open(t, a, spiffe.Config{})
	before := leaf(t, s)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	a.say(answer(svid(t, own, "/web")), nil)
	if leaf(t, s) != before {
		t.Error("the identity changed after Close")
	}
	if err := s.Err(); err != nil {
		t.Errorf("Err after Close: %v", err)
	}
}

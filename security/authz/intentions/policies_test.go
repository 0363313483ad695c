// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/authz/intentions"
)

// object is JSON.
type object = map[string]any

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// randomHTTP is a condition that policies can say.
func randomHTTP(r *rand.Rand) object {
	h := object{}
	switch r.IntN(3) {
	case 0:
		h["PathExact"] = pick(r, "/a", "/a/b", "/c%20d")
	case 1:
		h["PathPrefix"] = pick(r, "/a", "/", "/c")
	}
	if r.IntN(3) == 0 {
		h["Methods"] = pick(r, []string{"GET"}, []string{"GET", "PUT"}, []string{"DELETE"})
	}
	if r.IntN(3) == 0 {
		one := object{"Name": pick(r, "x-a", "X-B"), pick(r, "Exact", "Prefix", "Suffix"): pick(r, "u", "uv", "v")}
		if r.IntN(4) == 0 {
			one["Invert"] = true
		}
		h["Header"] = []object{one}
	}
	return h
}

// randomIntentions are some of those for web, and for "*".
func randomIntentions(r *rand.Rand) []object {
	list := []object{}
	for _, destination := range []string{"web", "*"} {
		for _, from := range []string{"a", "b", "c", "*"} {
			if r.IntN(2) == 0 {
				continue
			}
			precedence := 5
			if destination == "web" {
				precedence += 3
			}
			if from != "*" {
				precedence++
			}
			i := object{"SourceNS": "default", "SourceName": from, "DestinationName": destination, "Precedence": precedence}
			if r.IntN(2) == 0 {
				i["Action"] = pick(r, "allow", "deny")
			} else {
				var permissions []object
				for range 1 + r.IntN(4) {
					p := object{"Action": pick(r, "allow", "deny")}
					if r.IntN(8) > 0 {
						p["HTTP"] = randomHTTP(r)
					}
					permissions = append(permissions, p)
				}
				i["Permissions"] = permissions
			}
			list = append(list, i)
		}
	}
	return list
}

func randomCall(r *rand.Rand) *enmesh.Call {
	c := call(pick(r, id("a"), id("b"), id("c"), id("d"), "", "spiffe://other.consul/ns/default/dc/dc1/svc/a", "spiffe://"+td+"/agent/x"))
	c.Method, c.Path = pick(r, "GET", "PUT", "DELETE"), pick(r, "/", "/a", "/a/b", "/ab", "/c d", "/x")
	h := enmeshtest.Header{}
	for _, name := range []string{"X-A", "X-B"} {
		if r.IntN(2) == 0 {
			h[name] = []string{pick(r, "u", "v", "uv", "vu", "w")}
		}
	}
	c.Header = h
	return c
}

// Intentions as policies of an engine decide as the intentions themselves: over random sets
// and random calls, by both defaults.
func TestSet_Policies_decideTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	agent := newAgent(t, "null", "deny")
	updated := make(chan *intentions.Set, 1)
	open(t, intentions.Config{OnUpdate: func(s *intentions.Set, err error) {
		if err != nil {
			t.Error(err)
		}
		updated <- s
	}}, agent.address, "")
	<-updated
	compared, allowed, unsaid := 0, 0, 0
	for round := range 20 {
		list, err := json.Marshal(randomIntentions(r))
		if err != nil {
			t.Fatal(err)
		}
		otherwise := pick(r, "allow", "deny")
		agent.set(func() {
			agent.body, agent.header["X-Consul-Default-Acl-Policy"] = fmt.Sprintf(`{"web":%s,"round":[{"Precedence":%d}]}`, list, round), otherwise
		})
		set := <-updated
		policies, err := set.Policies()
		if errors.Is(err, intentions.ErrNotExpressible) {
			unsaid++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		byDefault := authz.DenyByDefault
		if set.AllowByDefault() {
			byDefault = authz.AllowByDefault
		}
		engine, err := authz.New(authz.Config{Policies: policies, TrustDomain: td, Default: byDefault})
		if err != nil {
			t.Fatalf("%s: %v", list, err)
		}
		for range 800 {
			c := randomCall(r)
			want := set.Decide(c)
			_, err := engine.Admit(t.Context(), c)
			if (err == nil) != want.Allowed {
				t.Fatalf("%s, default %s: %s %s by %q with %v: the engine says %v, the intentions %+v; policies %+v",
					list, otherwise, c.Method, c.Path, c.Source.Identity, c.Header, err, want, policies)
			}
			compared++
			if want.Allowed {
				allowed++
			}
		}
	}
	t.Logf("%d decisions compared, %d of them allowed; %d sets could not be said", compared, allowed, unsaid)
	if compared < 10_000 || allowed < compared/10 || allowed > compared*9/10 {
		t.Errorf("got %d decisions with %d allowed, want at least 10000 and both kinds", compared, allowed)
	}
}

func TestSet_Policies_cannotSay(t *testing.T) {
	for _, http := range []string{
		`"PathRegex":"/a.*"`, `"PathExact":"/a*"`, `"PathPrefix":"/{x}"`, `"Methods":["*"]`,
		`"Header":[{"Name":"x","Present":true}]`, `"Header":[{"Name":"x","Contains":"a"}]`, `"Header":[{"Name":"x","Regex":"a"}]`,
		`"Header":[{"Name":"x","Exact":"a","IgnoreCase":true}]`, `"Header":[{"Name":"x","Exact":"a*"}]`, `"Header":[{"Name":":method","Exact":"GET"}]`,
	} {
		a := of(t, `[{"SourceName":"a","DestinationName":"web","Permissions":[{"Action":"allow","HTTP":{`+http+`}}]}]`, "deny")
		if p, err := a.Set().Policies(); !errors.Is(err, intentions.ErrNotExpressible) {
			t.Errorf("%s: got %+v, %v, want ErrNotExpressible", http, p, err)
		}
	}
	a := of(t, `[{"SourceNS":"team","SourceName":"a","DestinationName":"web","Action":"allow"}]`, "deny")
	if p, err := a.Set().Policies(); !errors.Is(err, intentions.ErrNotExpressible) {
		t.Errorf("a namespace: got %+v, %v, want ErrNotExpressible", p, err)
	}
}

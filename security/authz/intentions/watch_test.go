// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh/security/authz/intentions"
)

const denyA = `{"web":[{"SourceName":"a","DestinationName":"web","Action":"deny"}]}`

// A change is in force as soon as the agent tells; what is no answer changes nothing.
func TestAuthorizer_keepsTheLastGoodOnes(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(a *agent)
		says string
	}{
		"an error":         {func(a *agent) { a.status = http.StatusInternalServerError }, "500"},
		"a token revoked":  {func(a *agent) { a.status = http.StatusForbidden }, "403"},
		"hidden in part":   {func(a *agent) { a.header["X-Consul-Results-Filtered-By-ACLs"] = "true"; a.body = `{"web":null}` }, "token"},
		"garbage":          {func(a *agent) { a.body = "<html>" }, "invalid character"},
		"another service":  {func(a *agent) { a.body = `{"db":null}` }, `not about "web"`},
		"another's shape":  {func(a *agent) { a.body = `{"web":{}}` }, "cannot unmarshal"},
		"too many of them": {func(a *agent) { a.body = `{"web":[` + strings.Repeat(`{},`, 10_000) + `{}]}` }, "at most"},
		"a huge answer":    {func(a *agent) { a.body = `{"web":null,"x":"` + strings.Repeat("a", 17<<20) + `"}` }, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			agent := newAgent(t, "null", "allow")
			a := open(t, intentions.Config{}, agent.address, "")
			agent.set(func() { agent.body = denyA })
			await(t, "the first change", func() bool { return !a.Explain(call(id("a"))).Allowed })
			agent.set(func() { tt.do(agent) })
			await(t, "the failure", func() bool { return a.Err() != nil })
			if got := a.Err().Error(); !strings.Contains(got, tt.says) || !strings.HasPrefix(got, "intentions: ") {
				t.Errorf("Err: got %q, want %q in it", got, tt.says)
			}
			if a.Explain(call(id("a"))).Allowed {
				t.Error("the denial was lifted")
			}
			agent.set(func() {
				agent.status, agent.body = 0, `{"web":[]}`
				delete(agent.header, "X-Consul-Results-Filtered-By-ACLs")
			})
			await(t, "the next change", func() bool { return a.Explain(call(id("a"))).Allowed && a.Err() == nil })
		})
	}
}

func TestAuthorizer_OnUpdate(t *testing.T) {
	heard := make(chan error, 16)
	agent := newAgent(t, "null", "deny")
	open(t, intentions.Config{OnUpdate: func(s *intentions.Set, err error) {
		if s == nil {
			t.Error("there is no set")
		}
		heard <- err
	}}, agent.address, "")
	if err := <-heard; err != nil {
		t.Errorf("the first set: %v", err)
	}
	agent.set(func() {}) // a return is not a change
	agent.set(func() { agent.body = denyA })
	if err := <-heard; err != nil {
		t.Errorf("the second set: %v", err)
	}
	agent.set(func() { agent.status = http.StatusInternalServerError })
	if err := <-heard; err == nil {
		t.Error("the failure was not told")
	}
}

func TestNew_refuses(t *testing.T) {
	for name, cfg := range map[string]intentions.Config{
		"no service":    {},
		"any service":   {Service: "*"},
		"a path":        {Service: "a/b"},
		"a default":     {Service: "web", Default: 9},
		"negative wait": {Service: "web", Wait: -1},
		"a scheme":      {Service: "web", API: &api.Config{Address: "ftp://a"}},
	} {
		if a, err := intentions.New(t.Context(), cfg); err == nil || !strings.HasPrefix(err.Error(), "intentions: ") {
			t.Errorf("%s: got %v, %v, want a refusal", name, a, err)
		}
	}
}

// Nothing is served on a guess: without a first answer there is no authorizer.
func TestNew_failsClosed(t *testing.T) {
	agent := newAgent(t, "null", "allow")
	agent.status = http.StatusForbidden
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	a, err := intentions.New(ctx, intentions.Config{Service: "web", API: &api.Config{Address: agent.address}})
	if a != nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "403") {
		t.Errorf("got %v, %v, want the deadline and the agent's 403", a, err)
	}
}

func TestLogTo(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	a := open(t, intentions.Config{Audit: intentions.LogTo(log)}, newAgent(t, ordered, "deny").address, "")
	c := call(id("c"))
	c.Path = "/x\nlevel=INFO"
	_, _ = a.Admit(t.Context(), c)
	line := out.String()
	if strings.Count(line, "\n") != 1 || !strings.Contains(line, id("c")) || !strings.Contains(line, "* => *") {
		t.Errorf("got %q, want one line with the principal and the intention", line)
	}
}

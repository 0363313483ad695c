// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// views is what a policy and a handler made of a call.
type views struct {
	mu              sync.Mutex // guards what follows
	path, authority string     // the policy's
	policy, handler metadata.MD
	policies        int // how many calls it saw
	handlerCalls    int
}

// viewed serves the protected method, and notes how calls and some of their keys are seen.
func viewed(t *testing.T, keys ...string) (addr string, v *views) {
	t.Helper()
	v = &views{}
	look := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			v.mu.Lock()
			v.path, v.authority, v.policies, v.policy = c.Path, c.Authority, v.policies+1, metadata.MD{}
			for _, key := range keys {
				v.policy[key] = slices.Clone(c.Header.Values(key))
			}
			v.mu.Unlock()
			return next(ctx, c)
		}
	}
	addr = serve(t, &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.handler, _ = metadata.FromIncomingContext(ctx)
		v.handlerCalls++
		return &testpb.SimpleResponse{}, nil
	}}, meshgrpc.NewServer(enmesh.Fixed(false, look)).Options()...)
	return addr, v
}

// TestScenarioA3_whatIsLetThrough: of fields that grpc takes, policy and handler see the
// same, and nothing that a caller could have meant for only one of them.
func TestScenarioA3_whatIsLetThrough(t *testing.T) {
	for name, tt := range map[string]struct {
		more []field
		key  string
		want []string
	}{
		"a host beside the authority":       {[]field{{Name: "host", Value: "admin"}}, "host", nil},
		"two values of a key":               {[]field{{Name: "x-role", Value: "user"}, {Name: "x-role", Value: "admin"}}, "x-role", []string{"user", "admin"}},
		"a list in one value":               {[]field{{Name: "x-role", Value: "user,admin"}}, "x-role", []string{"user,admin"}},
		"two values of a binary key":        {[]field{{Name: "x-role-bin", Value: "YQ=="}, {Name: "x-role-bin", Value: "Yg=="}}, "x-role-bin", []string{"a", "b"}},
		"base64 with padding":               {[]field{{Name: "x-role-bin", Value: "YWQ="}}, "x-role-bin", []string{"ad"}},
		"base64 without padding":            {[]field{{Name: "x-role-bin", Value: "YWQ"}}, "x-role-bin", []string{"ad"}},
		"a status from outside":             {[]field{{Name: "grpc-status", Value: "0"}}, "grpc-status", nil},
		"a message from outside":            {[]field{{Name: "grpc-message", Value: "fine"}}, "grpc-message", nil},
		"a type of message from outside":    {[]field{{Name: "grpc-message-type", Value: "x"}}, "grpc-message-type", nil},
		"a claim of a proxy, in binary too": {[]field{{Name: "x-forwarded-client-cert-bin", Value: "YQ"}}, "x-forwarded-client-cert-bin", nil},
	} {
		addr, v := viewed(t, tt.key)
		a := rawCall(t, addr, head(protected, tt.more...))
		v.mu.Lock()
		if a.code != "0" || v.policies != 1 || v.handlerCalls != 1 || v.path != protected || v.authority != "ratings" {
			t.Errorf("%s: %+v, the policy saw %d calls of %q at %q, the handler %d", name, a, v.policies, v.path, v.authority, v.handlerCalls)
		}
		if p, h := v.policy[tt.key], v.handler[tt.key]; !slices.Equal(p, tt.want) || !slices.Equal(h, tt.want) {
			t.Errorf("%s: the policy saw %q, the handler %q, want %q", name, p, h, tt.want)
		}
		if got := v.handler[":authority"]; !slices.Equal(got, []string{"ratings"}) {
			t.Errorf("%s: the handler saw the authority %q", name, got)
		}
		v.mu.Unlock()
	}
}

// TestScenarioA3_binaryLists: a list of binary values with commas is refused, whole: neither
// the policy nor the handler sees a part of it.
func TestScenarioA3_binaryLists(t *testing.T) {
	for _, value := range []string{"YQ==,Yg==", "YQ,Yg", "YQ== , Yg==", "YQ==Yg=="} {
		addr, v := viewed(t, "x-role", "x-role-bin")
		a := rawCall(t, addr, head(protected, field{Name: "x-role-bin", Value: value}))
		v.mu.Lock()
		if a.code == "0" || v.policies != 0 || v.handlerCalls != 0 {
			t.Errorf("%q: %+v, the policy saw %d calls (%q), the handler %d", value, a, v.policies, v.policy["x-role-bin"], v.handlerCalls)
		}
		v.mu.Unlock()
	}
}

// TestScenarioA3_trailers: what a caller sends behind its message changes neither the method
// nor what a key says.
func TestScenarioA3_trailers(t *testing.T) {
	for name, trailer := range map[string][]field{
		"another method": {{Name: ":path", Value: "/" + svc + "/UnaryCall"}},
		"another verb":   {{Name: ":method", Value: "GET"}},
		"another role":   {{Name: "x-role", Value: "admin"}},
	} {
		addr, v := viewed(t, "x-role", "x-role-bin")
		c := newSlowClient(t, addr)
		c.begin(1, protected, []byte{0, 0, 0, 0, 0}, false)
		var block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		for _, f := range trailer {
			_ = enc.WriteField(f)
		}
		_ = c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
		_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		c.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		a := readRaw(c.fr)
		v.mu.Lock()
		if v.policies > 1 || v.path != "" && v.path != protected || len(v.policy["x-role"])+len(v.handler["x-role"]) > 0 {
			t.Errorf("%s: %+v, the policy saw %d calls, of %q with %q; the handler %q", name, a, v.policies, v.path, v.policy["x-role"], v.handler["x-role"])
		}
		if !a.reset && a.code == "" {
			t.Errorf("%s: %+v, want an answer, or the end", name, a)
		}
		v.mu.Unlock()
		if a := rawCall(t, addr, head(protected)); a.code != "0" {
			t.Errorf("after %s: %+v", name, a)
		}
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/agent/bootstrap"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

const (
	strict = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: STRICT}}
---`
	disabled = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: DISABLE}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo}
spec: {host: echo, trafficPolicy: {tls: {mode: DISABLE}}}
---`
)

// secured is an agent that keeps certificates fresh for the workloads web, cron and echo,
// and a server of grpc-go's that serves echo as the latter.
type secured struct {
	*plane
	directory string
	addr      string
}

// accounts are the workloads that have certificates.
var accounts = []string{"web", "cron", "echo"}

func secure(t *testing.T, documents string) *secured {
	t.Helper()
	return secureFor(t, documents, time.Hour)
}

// secureFor has certificates live so long.
func secureFor(t *testing.T, documents string, life time.Duration) *secured {
	t.Helper()
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{TTL: life})
	if err != nil {
		t.Fatal(err)
	}
	s := &secured{directory: t.TempDir()}
	var issue []agent.Issue
	for _, account := range accounts {
		id, err := security.IDFor("cluster.local", "default", account)
		if err != nil {
			t.Fatal(err)
		}
		issue = append(issue, agent.Issue{Dir: s.certificates(account), Identity: id, From: agent.FromAuthority(authority)})
	}
	s.plane = run(t, func(cfg *agent.Config) { cfg.Issue = issue })
	s.policy(documents)
	for _, account := range accounts {
		eventually(t, "certificates are there", func() bool {
			_, err := os.Stat(filepath.Join(s.certificates(account), agent.CertFile))
			return err == nil
		})
	}
	server := start(t, s.bootstrap(s.workload("echo")), []string{roleVariable + "=server"}, os.Args[0])
	s.addr = server.do(order{Do: "serve", Name: "echo"}).Addr
	s.isServedBy("echo")
	return s
}

func (s *secured) certificates(account string) string { return filepath.Join(s.directory, account) }

// isServedBy has the registry name the account that serves echo.
func (s *secured) isServedBy(account string) {
	s.registry.Set("echo", discovery.Endpoint{Addrs: []string{s.addr}, Namespace: "default", ServiceAccount: account})
}

func (s *secured) workload(account string) bootstrap.Config {
	return bootstrap.Config{
		NodeID: account + "-1", ServiceAccount: account, Region: "eu", Zone: "a",
		Labels: map[string]string{"app": account}, Certificates: s.certificates(account), Refresh: time.Second,
	}
}

// as starts a client with the identity of an account.
func (s *secured) as(l language, account string) *program {
	s.t.Helper()
	return s.clientOf(l, "echo:7070", s.workload(account))
}

func TestMutualTLS(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		s := secure(t, strict)
		c := s.as(l, "web")
		if got := c.calls(5, unary); got.failed() > 0 {
			t.Errorf("with a certificate: %v", got)
		}
		plain := s.without(l, "echo:7070")
		if got := plain.call(unary); got.Code != codes.Unavailable {
			t.Errorf("without: got %+v, want UNAVAILABLE", got)
		}
		// The registry says that somebody else serves echo: he is not believed to be that.
		s.isServedBy("cron")
		eventually(t, "another identity than expected is refused", func() bool {
			return s.as(l, "web").call(unary).Code == codes.Unavailable // connections that are there stay
		})
	})
}

// TestMutualTLSByDefault: workloads have certificates, and no PeerAuthentication says anything. The
// server takes those who have one, and nobody in plaintext.
func TestMutualTLSByDefault(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		s := secure(t, "")
		if got := s.as(l, "web").calls(5, unary); got.failed() > 0 {
			t.Errorf("with a certificate: %v", got)
		}
		if got := s.without(l, "echo:7070").call(unary); got.Code != codes.Unavailable {
			t.Errorf("without, over xDS: got %+v, want UNAVAILABLE", got)
		}
		cc, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
		if err != nil {
			t.Fatal(err)
		}
		defer cc.Close()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		in, out := []byte{}, []byte{}
		if err := cc.Invoke(ctx, unary, &in, &out); status.Code(err) != codes.Unavailable {
			t.Errorf("in plaintext: got %v, want UNAVAILABLE", err)
		}
		said := func(note string) bool { return strings.Contains(note, "this one is STRICT") }
		if n := s.Status().Notes; !slices.ContainsFunc(n, said) {
			t.Errorf("got the notes %q, want one that says that the server is STRICT", n)
		}
	})
}

func TestMutualTLSOff(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		s := secure(t, disabled)
		if got := s.as(l, "web").calls(5, unary); got.failed() > 0 {
			t.Errorf("with a certificate: %v", got)
		}
		if got := s.client(l, "echo:7070").calls(5, unary); got.failed() > 0 {
			t.Errorf("without: %v", got)
		}
	})
}

// TestMutualTLSIsSwitched turns it on and off while a client is connected.
func TestMutualTLSIsSwitched(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		s := secure(t, strict)
		c, plain := s.as(l, "web"), s.without(l, "echo:7070")
		settled(t, c, "it is on", "echo", []string{unary})
		s.policy(disabled)
		settled(t, plain, "it is off", "echo", []string{unary})
		settled(t, c, "it is off, and the other still calls", "echo", []string{unary})
		s.policy(strict)
		eventually(t, "it is on again", func() bool { return plain.call(unary).Code == codes.Unavailable })
		settled(t, c, "and the other still calls", "echo", []string{unary})
	})
}

// TestCertificatesAreRenewedUnderLoad dials anew again and again, so that handshakes are made
// with each of the certificates.
func TestCertificatesAreRenewedUnderLoad(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		s := secureFor(t, strict, 12*time.Second)
		c := s.as(l, "web")
		settled(t, c, "it is on", "echo", []string{unary})
		c.do(order{Do: "begin", Every: 10, Method: unary})
		renewed := func() uint64 {
			least := s.Status().Certificates[0].Rotations
			for _, one := range s.Status().Certificates {
				least = min(least, one.Rotations)
			}
			return least
		}
		dials := 0
		eventually(t, "certificates are renewed three times", func() bool {
			fresh := s.as(l, "web")
			dials++
			if got := fresh.calls(3, unary); got.failed() > 0 {
				t.Errorf("dial %d: %v", dials, got)
			}
			return renewed() >= 3 && dials >= 3
		})
		got := ends(c.do(order{Do: "stop"}).Calls)
		if got.failed() > 0 || len(got) < 50 {
			t.Errorf("certificates were renewed under load: %v", got)
		}
		t.Logf("%d calls and %d clients, %d failed, %d renewals", len(got), dials, got.failed(), renewed())
	})
}

// authorized is an AuthorizationPolicy.
func authorized(name, action, rules string) string {
	return `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ` + name + `, namespace: default}
spec:
  selector: {matchLabels: {app: echo}}
  action: ` + action + `
  rules: [` + rules + `]
---`
}

func TestAuthorization(t *testing.T) {
	const allowed, denied = codes.OK, codes.PermissionDenied
	fromWeb := `{from: [{source: {principals: [cluster.local/ns/default/sa/web]}}]}`
	each(t, func(t *testing.T, l language) {
		s := secure(t, strict)
		web, cron := s.as(l, "web"), s.as(l, "cron")
		for _, tc := range []struct {
			name, policy           string
			webUnary, webEmpty     codes.Code
			cronUnary, webHeadered codes.Code
		}{
			{"none", "", allowed, allowed, allowed, allowed},
			{"allow a principal", authorized("a", "ALLOW", fromWeb), allowed, allowed, denied, allowed},
			{"allow a path", authorized("a", "ALLOW", `{to: [{operation: {paths: [`+unary+`]}}]}`), allowed, denied, allowed, allowed},
			{"allow a namespace", authorized("a", "ALLOW", `{from: [{source: {namespaces: [default]}}]}`), allowed, allowed, allowed, allowed},
			{"allow another namespace", authorized("a", "ALLOW", `{from: [{source: {namespaces: [shop]}}]}`), denied, denied, denied, denied},
			{"allow a header", authorized("a", "ALLOW", `{when: [{key: "request.headers[x-key]", values: [open]}]}`), denied, denied, denied, allowed},
			{"deny a path", authorized("d", "DENY", `{to: [{operation: {paths: [`+empty+`]}}]}`), allowed, denied, allowed, allowed},
			{"deny all but a principal", authorized("d", "DENY", `{from: [{source: {notPrincipals: [cluster.local/ns/default/sa/web]}}]}`), allowed, allowed, denied, allowed},
			{"deny before allow", authorized("a", "ALLOW", fromWeb) + authorized("d", "DENY", `{to: [{operation: {paths: [`+unary+`]}}]}`), denied, allowed, denied, denied},
			{"allow nothing", authorized("a", "ALLOW", ""), denied, denied, denied, denied},
			{"a token, which gRPC does not read", authorized("a", "ALLOW", `{from: [{source: {requestPrincipals: ["*"]}}]}`), denied, denied, denied, denied},
			{"deny by a token, which gRPC does not read", authorized("d", "DENY", `{from: [{source: {notRequestPrincipals: ["*"]}}]}`), denied, denied, denied, denied},
		} {
			s.policy(strict + tc.policy)
			probe := func() string {
				var out []string
				for _, got := range []end{
					web.call(unary), web.call(empty), cron.call(unary), web.call(unary, "x-key", "open"),
				} {
					out = append(out, got.Code.String())
				}
				return strings.Join(out, " ")
			}
			want := strings.Join([]string{tc.webUnary.String(), tc.webEmpty.String(), tc.cronUnary.String(), tc.webHeadered.String()}, " ")
			var got string
			for end := time.Now().Add(patience / 4); time.Now().Before(end); {
				if got = probe(); got == want {
					break
				}
			}
			if got != want {
				t.Errorf("%s: got %s, want %s", tc.name, got, want)
			}
		}
	})
}

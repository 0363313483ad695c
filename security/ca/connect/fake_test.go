// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/ca/connect"
)

// agent answers as the test says, without blocking longer than the test changes nothing.
type agent struct {
	mu      sync.Mutex // guards what follows
	index   uint64
	leaf    any
	roots   any
	status  int
	tokens  []string
	changed chan struct{}
}

func newAgent(t *testing.T) (*agent, string) {
	t.Helper()
	a := &agent{index: 10, changed: make(chan struct{})}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return a, strings.TrimPrefix(server.URL, "http://")
}

// set changes what is answered.
func (a *agent) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
	a.index++
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.tokens = append(a.tokens, r.Header.Get("X-Consul-Token"))
	changed, blocks := a.changed, r.URL.Query().Get("index") == jsonText(a.index)
	a.mu.Unlock()
	if blocks {
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.status != 0 {
		http.Error(w, "no", a.status)
		return
	}
	w.Header().Set("X-Consul-Index", jsonText(a.index))
	body := a.leaf
	if strings.HasSuffix(r.URL.Path, "/roots") {
		body = a.roots
	}
	_, _ = w.Write([]byte(jsonText(body)))
}

func jsonText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is made of texts
	}
	return string(b)
}

// issue makes a leaf as the agent writes it.
func issue(t *testing.T, d *ca.Development, id string) map[string]string {
	t.Helper()
	own, err := d.Issue(security.MustParseID(id))
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(own.Certificate().PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var cert strings.Builder
	for _, der := range own.Certificate().Certificate {
		cert.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return map[string]string{
		"CertPEM": cert.String(), "PrivateKeyPEM": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
	}
}

func rootsOf(d *ca.Development) map[string]any {
	var list []map[string]string
	for _, c := range d.Roots() {
		list = append(list, map[string]string{"RootCert": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))})
	}
	return map[string]any{"TrustDomain": d.TrustDomain(), "Roots": list}
}

const webID = "spiffe://" + td + "/ns/default/dc/dc1/svc/web"

func development(t *testing.T, trustDomain string) *ca.Development {
	t.Helper()
	d, err := ca.NewDevelopment(trustDomain, ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What the agent gives and cannot be used is not taken, and says why.
func TestSource_keepsTheLastGoodOne(t *testing.T) {
	d := development(t, td)
	for name, tt := range map[string]struct {
		leaf, roots any
		status      int
		says        string
	}{
		"another service":         {leaf: issue(t, d, "spiffe://"+td+"/ns/default/dc/dc1/svc/web-evil"), says: "web-evil"},
		"no service at all":       {leaf: issue(t, d, "spiffe://"+td+"/agent/x"), says: "agent/x"},
		"of another authority":    {leaf: issue(t, development(t, td), webID), says: "cannot be used"},
		"key of another":          {leaf: map[string]string{"CertPEM": issue(t, d, webID)["CertPEM"], "PrivateKeyPEM": issue(t, d, webID)["PrivateKeyPEM"]}, says: "private key"},
		"no certificate":          {leaf: map[string]string{}, says: "leaf certificate"},
		"garbage":                 {leaf: "<html>", says: "leaf certificate"},
		"too long":                {leaf: `{"CertPEM":"` + strings.Repeat("a", 17<<20) + `"}`, says: "too long"},
		"roots of another domain": {roots: rootsOf(development(t, "other.consul")), says: "no root"},
		"no roots":                {roots: map[string]any{"TrustDomain": td}, says: "roots"},
		"no trust domain":         {roots: map[string]any{}, says: "trust domain"},
		"an error":                {status: 500, says: "500"},
	} {
		t.Run(name, func(t *testing.T) {
			a, address := newAgent(t)
			good, trusted := issue(t, d, webID), rootsOf(d)
			a.leaf, a.roots = good, trusted
			s := open(t, address, "", "web")
			before := leaf(t, s)
			a.set(func() {
				a.status = tt.status
				if tt.leaf != nil {
					a.leaf = tt.leaf
				}
				if tt.roots != nil {
					a.roots = tt.roots
				}
			})
			await(t, "the failure", func() bool { return s.Err() != nil })
			if got := s.Err().Error(); !strings.Contains(got, tt.says) || strings.Contains(got, "PRIVATE KEY") {
				t.Errorf("Err: got %q, want %q in it and no key", got, tt.says)
			}
			if leaf(t, s) != before {
				t.Error("the identity changed")
			}
			a.set(func() { a.status, a.leaf, a.roots = 0, issue(t, d, webID), trusted })
			await(t, "the next identity", func() bool { return leaf(t, s) != before && s.Err() == nil })
		})
	}
}

// The leaf of a new root comes before the root: it waits for it.
func TestSource_leafBeforeItsRoot(t *testing.T) {
	old, next := development(t, td), development(t, td)
	a, address := newAgent(t)
	a.leaf, a.roots = issue(t, old, webID), rootsOf(old)
	s := open(t, address, "", "web")
	before := leaf(t, s)
	a.set(func() { a.leaf = issue(t, next, webID) })
	await(t, "the complaint", func() bool { return s.Err() != nil })
	if leaf(t, s) != before {
		t.Error("a leaf without its root was taken")
	}
	a.set(func() { a.roots = rootsOf(next) })
	await(t, "the new leaf", func() bool { return leaf(t, s) != before && s.Err() == nil })
}

func TestSource_readsTheTokenAnew(t *testing.T) {
	d := development(t, td)
	a, address := newAgent(t)
	a.leaf, a.roots = issue(t, d, webID), rootsOf(d)
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	s, err := connect.New(t.Context(), connect.Config{Service: "web", API: &api.Config{Address: address, TokenFile: file}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write("second")
	a.set(func() { a.leaf = issue(t, d, webID) })
	await(t, "the second token", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.tokens[0] == "first" && a.tokens[len(a.tokens)-1] == "second"
	})
}

func TestNew_refuses(t *testing.T) {
	for name, cfg := range map[string]connect.Config{
		"no service":    {},
		"a path":        {Service: "a/b"},
		"negative wait": {Service: "web", Wait: -1},
		"a long wait":   {Service: "web", Wait: time.Hour},
		"a scheme":      {Service: "web", API: &api.Config{Address: "ftp://a"}},
	} {
		if s, err := connect.New(t.Context(), cfg); err == nil || !strings.HasPrefix(err.Error(), "connect: ") {
			t.Errorf("%s: got %v, %v, want a refusal", name, s, err)
		}
	}
}

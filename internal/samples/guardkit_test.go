// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// guarded is one of Istio's security files (or two), and what becomes of calls to a
// process that it is for, or is not.
type guarded struct {
	file    string
	with    string // another file of the folder, beside it
	own     string // documents of ours, beside it
	to      mesh.Workload
	proxies int // that stand before the process
	audited int // how many of the calls the audit hears of
	asks    []ask
}

// ask is one call, over a connection of its own.
type ask struct {
	what   string            // "GET /ip", "rpc /pkg.Service/Method"
	from   string            // the caller's workload, "default/sleep"; "": in plaintext, nobody
	at     string            // the caller's address; "": 127.0.0.1
	port   int               // that it comes in at; 0: 9000
	header map[string]string // "Bearer <name>" stands for a token by its name
	want   int               // the status; 0: 200; refusedConn: no connection
	code   codes.Code        // of "rpc"; unconnected: no connection
	saw    map[string]string // headers that the handler saw; "-": not there; "*": any
}

const (
	refusedConn = -1
	unconnected = codes.Code(99)
)

// denied is the three kinds of a refusal by status and code.
const (
	forbidden       = http.StatusForbidden
	unauthorized    = http.StatusUnauthorized
	rpcDenied       = codes.PermissionDenied
	unauthenticated = codes.Unauthenticated
)

// town is where all callers live.
type town struct {
	dir       string
	authority *ca.Development
	signer    jose.Signer
	keys      string            // of signer, a set
	tokens    map[string]string // by name
}

func newTown(t *testing.T, dir string) *town {
	t.Helper()
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := &town{dir: dir, authority: authority, tokens: map[string]string{}}
	w.readTokens(t)
	w.makeKeys(t)
	for name, iss := range map[string]string{"google": "https://accounts.google.com", "foo": "issuer-foo"} {
		w.tokens[name] = w.sign(t, map[string]any{"iss": iss, "sub": "ann", "exp": time.Now().Add(time.Hour).Unix()})
	}
	return w
}

// readTokens reads the tokens that Istio publishes.
func (w *town) readTokens(t *testing.T) {
	t.Helper()
	var all map[string]struct{ Token string }
	if err := json.Unmarshal(w.read(t, "tokens-e2e.json"), &all); err != nil {
		t.Fatal(err)
	}
	for name, one := range all {
		w.tokens[name] = one.Token
	}
	for _, name := range []string{"demo", "groups-scope"} {
		w.tokens[name] = strings.TrimSpace(string(w.read(t, name+".jwt")))
	}
}

func (w *town) read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, "jwt", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (w *town) makeKeys(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "ours", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	w.keys = string(set)
	w.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "ours"}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
}

func (w *town) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := w.signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// RoundTrip answers for the issuers' servers.
func (w *town) RoundTrip(r *http.Request) (*http.Response, error) {
	out := httptest.NewRecorder()
	switch {
	case strings.HasSuffix(r.URL.Path, "not-exist.json"):
		http.NotFound(out, r)
	case r.URL.Host == "raw.githubusercontent.com":
		http.ServeFile(out, r, filepath.Join(w.dir, "jwt", "jwks-demo.json"))
	case r.URL.Host == "jwt-server.istio-system.svc":
		http.ServeFile(out, r, filepath.Join(w.dir, "jwt", "jwks-e2e.json"))
	case r.URL.Host == "example.com":
		_, _ = out.WriteString(w.keys)
	default:
		return nil, errors.New("no such host: " + r.URL.Host)
	}
	return out.Result(), nil
}

func (w *town) source(t *testing.T, workload string) *ca.Source {
	t.Helper()
	namespace, account, _ := strings.Cut(workload, "/")
	src, err := w.authority.Source(namespace, account)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// posing is a listener whose connections seem to come from another address, to another
// port.
type posing struct {
	net.Listener
	from atomic.Pointer[net.TCPAddr]
	to   atomic.Pointer[net.TCPAddr]
}

func (p *posing) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &posed{c, p.from.Load(), p.to.Load()}, nil
}

type posed struct {
	net.Conn
	from, to *net.TCPAddr
}

func (p *posed) RemoteAddr() net.Addr { return p.from }
func (p *posed) LocalAddr() net.Addr  { return p.to }

// process is the one that is called, over both protocols.
type process struct {
	town     *town
	id       security.ID
	web, rpc *posing
}

// start serves under the policy of g.
func (g *guarded) start(t *testing.T, w *town, heard *atomic.Int64) *process {
	t.Helper()
	paths := []string{filepath.Join(w.dir, g.file)}
	if g.with != "" {
		paths = append(paths, filepath.Join(w.dir, g.with))
	}
	if g.own != "" {
		own := filepath.Join(t.TempDir(), "own.yaml")
		if err := os.WriteFile(own, []byte(strings.ReplaceAll(g.own, "KEYS", w.keys)), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, own)
	}
	src := w.source(t, or2(g.to.Namespace, "default")+"/server")
	m, err := mesh.Open(t.Context(), mesh.WithPolicies(paths...), mesh.WithWorkload(g.to), mesh.WithCertificates(src),
		mesh.WithTokenClient(&http.Client{Transport: w}), mesh.WithTrustedProxies(g.proxies),
		mesh.WithAuthzAudit(func(_ context.Context, _ *enmesh.Call, d *authz.Decision) {
			if d.Audited != nil {
				heard.Add(1)
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	own, err := src.Identity()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{town: w, id: own.ID(), web: listen(t), rpc: listen(t)}
	server := meshhttp.NewServer(meshhttp.NewHandler(http.HandlerFunc(tell), m.Inbound()))
	rpc := grpc.NewServer(append(meshgrpc.NewServer(m.Inbound(), meshgrpc.WithListener()).Options(), grpc.UnknownServiceHandler(tellRPC))...)
	ended := make(chan struct{}, 2)
	go func() { _ = server.Serve(m.Listen(p.web)); ended <- struct{}{} }()
	go func() { _ = rpc.Serve(m.Listen(p.rpc)); ended <- struct{}{} }()
	t.Cleanup(func() {
		_ = server.Close()
		rpc.Stop()
		<-ended
		<-ended
	})
	return p
}

func listen(t *testing.T) *posing {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &posing{Listener: l}
}

// tell answers with the header that it saw.
func tell(out http.ResponseWriter, r *http.Request) {
	text, err := json.Marshal(r.Header)
	if err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	out.Header().Set(sawAll, string(text))
}

func tellRPC(_ any, s grpc.ServerStream) error {
	md, _ := metadata.FromIncomingContext(s.Context())
	saw := http.Header{}
	for k, v := range md {
		saw[http.CanonicalHeaderKey(k)] = v
	}
	text, err := json.Marshal(saw)
	if err != nil {
		return err
	}
	if err := s.SetHeader(metadata.Pairs(sawAll, string(text))); err != nil {
		return err
	}
	if err := s.RecvMsg(new(emptypb.Empty)); err != nil {
		return err
	}
	return s.SendMsg(new(emptypb.Empty))
}

// pose says for whom the next connection passes.
func (p *posing) pose(a *ask) {
	port := a.port
	if port == 0 {
		port = 9000
	}
	p.to.Store(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	p.from.Store(&net.TCPAddr{IP: net.ParseIP(or2(a.at, "127.0.0.1")), Port: 40000})
}

// headers are those of a call, with the tokens put in.
func (a *ask) headers(w *town) map[string]string {
	out := map[string]string{}
	for k, v := range a.header {
		if scheme, name, ok := strings.Cut(v, " "); ok && w.tokens[name] != "" {
			v = scheme + " " + w.tokens[name]
		}
		out[k] = v
	}
	return out
}

func (a *ask) overHTTP(t *testing.T, p *process) (int, http.Header) {
	t.Helper()
	method, path, _ := strings.Cut(a.what, " ")
	for name, token := range p.town.tokens {
		path = strings.ReplaceAll(path, "{"+name+"}", token)
	}
	base := &http.Transport{DisableKeepAlives: true}
	defer base.CloseIdleConnections()
	base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, p.web.Addr().String())
	}
	scheme := "http"
	if a.from != "" {
		scheme, base.TLSClientConfig = "https", mtls.Client(p.town.source(t, a.from), p.id)
	}
	p.web.pose(a)
	req, err := http.NewRequestWithContext(t.Context(), method, scheme+"://server"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range a.headers(p.town) {
		req.Header.Set(k, v)
	}
	resp, err := (&http.Client{Transport: base, Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		return refusedConn, nil
	}
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header
}

func (a *ask) overGRPC(t *testing.T, p *process) (codes.Code, http.Header) {
	t.Helper()
	creds := insecure.NewCredentials()
	if a.from != "" {
		creds = credentials.NewTLS(mtls.Client(p.town.source(t, a.from), p.id))
	}
	p.rpc.pose(a)
	cc, err := grpc.NewClient("passthrough:///"+p.rpc.Addr().String(), grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for k, v := range a.headers(p.town) {
		ctx = metadata.AppendToOutgoingContext(ctx, k, v)
	}
	var md metadata.MD
	err = cc.Invoke(ctx, strings.TrimPrefix(a.what, "rpc "), new(emptypb.Empty), new(emptypb.Empty), grpc.Header(&md))
	if status.Code(err) == codes.Unavailable {
		return unconnected, nil
	}
	head := http.Header{}
	for k, v := range md {
		head[http.CanonicalHeaderKey(k)] = v
	}
	return status.Code(err), head
}

// check makes the call and holds what it came to against what it must.
func (a *ask) check(t *testing.T, p *process) {
	t.Helper()
	var head http.Header
	if strings.HasPrefix(a.what, "rpc ") {
		code, h := a.overGRPC(t, p)
		if head = h; code != a.code {
			t.Errorf("%+v: got %v, want %v", a, code, a.code)
		}
	} else {
		got, h := a.overHTTP(t, p)
		if head = h; got != or(a.want, 200) {
			t.Errorf("%+v: got %d, want %d", a, got, or(a.want, 200))
		}
	}
	saw := http.Header{}
	if text := head.Get(sawAll); text != "" {
		if err := json.Unmarshal([]byte(text), &saw); err != nil {
			t.Error(err)
		}
	}
	for name, want := range a.saw {
		got, has := saw[http.CanonicalHeaderKey(name)]
		if want == "*" && !has || want == "-" && has || want != "*" && want != "-" && strings.Join(got, ",") != want {
			t.Errorf("%+v: the handler saw %s: %q, want %q", a, name, got, want)
		}
	}
}

func or2(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

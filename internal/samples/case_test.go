// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// sample is one of Istio's files, and what is so when it is in force.
type sample struct {
	file  string
	with  string        // another file of the folder, beside it
	own   string        // documents of ours, beside it
	from  mesh.Workload // who calls
	calls []call
	holds []holding
}

// holding is how calls to a destination are balanced and connected, over both protocols.
type holding struct {
	to     enmesh.Destination
	picker string // as the pickers name it; "": any
	pool   balance.ConnectionConfig
}

func (h *holding) check(t *testing.T, m *mesh.Mesh) {
	t.Helper()
	for _, p := range []enmesh.Protocol{enmesh.HTTP, enmesh.GRPC} {
		c := m.Cluster(h.to, p)
		if got := c.Explain(&enmesh.Call{Protocol: p}, func(*balance.Endpoint) string { return "" }).Picker; h.picker != "" && got != h.picker {
			t.Errorf("%v over %v: picked by %q, want %q", h.to, p, got, h.picker)
		}
		if got := c.Config().Connection; got != h.pool {
			t.Errorf("%v over %v: connections by %+v, want %+v", h.to, p, got, h.pool)
		}
	}
}

// call is one call, or many of the same kind, and what it must come to. It is made over
// HTTP and, unless web says otherwise, over gRPC, where the path is the method.
type call struct {
	web    string // why it is made over HTTP only
	to     string // "http://reviews:9080/shop/list"
	method string // GET, unless it is given
	header map[string]string
	times  int           // 1, unless it is given
	after  time.Duration // from a first call, by which all have been connected to and know what went before

	status int                // 200, unless it is given
	code   codes.Code         // over gRPC, where the status is not 200
	served string             // "reviews v1"; "": whoever, or nobody
	shares map[string]float64 // by who served, "reviews v1", or by the service alone
	path   string             // as the server saw it; "": as it was sent
	host   string             // as the server saw it; "": any
	saw    map[string]string  // headers that the server saw; "-": not there
	got    map[string]string  // headers of the answer; "-": not there
	body   string             // of the answer; "": any
	took   [2]time.Duration   // at least, and at most; 0: any

	same     bool                         // whichever serves the first serves all
	servers  int                          // so many serve; 0: any number
	cookie   string                       // what the answer sets, a regular expression; who sends it back has the same server
	gotFrom  map[string]map[string]string // headers of the answer, by who served
	arrive   [2]int                       // how often it arrives, over HTTP and over gRPC; 0: any
	mirrored string                       // where a copy of each arrives: "httpbin v2 httpbin-shadow"
}

// answer is what a call came to.
type answer struct {
	status int
	code   codes.Code
	header http.Header
	body   string
	took   time.Duration
}

// folder is where Istio's documents are.
func folder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ENMESH_ISTIO_SAMPLES")
	if dir == "" {
		t.Skip("ENMESH_ISTIO_SAMPLES names no folder of Istio's documents")
	}
	return dir
}

// run puts a sample in force and makes its calls.
func (s *sample) run(t *testing.T, dir string) {
	w := newWorld(t)
	paths := []string{filepath.Join(dir, s.file)}
	if s.with != "" {
		paths = append(paths, filepath.Join(dir, s.with))
	}
	if s.own != "" {
		own := filepath.Join(t.TempDir(), "own.yaml")
		if err := os.WriteFile(own, []byte(s.own), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, own)
	}
	m, err := mesh.Open(t.Context(), mesh.WithPolicies(paths...), mesh.WithResolver(w), mesh.WithDNS(names{w}), mesh.WithWorkload(s.from))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range s.calls {
		first := c // what a call keeps, it keeps for one protocol
		first.overHTTP(t, m, w)
		if c.web == "" {
			c.overGRPC(t, m, w)
		}
	}
	for _, h := range s.holds {
		h.check(t, m)
	}
}

func (c *call) overHTTP(t *testing.T, m *mesh.Mesh, w *world) {
	t.Helper()
	base := &http.Transport{DialContext: w.dial}
	transport := meshhttp.NewTransport(base, m.Outbound(), m)
	defer transport.Close()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.check(t, w, false, func() (answer, error) {
		method := c.method
		if method == "" {
			method = http.MethodGet
		}
		req, err := http.NewRequestWithContext(t.Context(), method, c.to, http.NoBody)
		if err != nil {
			return answer{}, err
		}
		for k, v := range c.header {
			req.Header.Set(k, v)
		}
		began := time.Now()
		resp, err := client.Do(req)
		if err != nil {
			return answer{status: statusOf(err), header: http.Header{}, body: err.Error(), took: time.Since(began)}, nil
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return answer{status: resp.StatusCode, header: resp.Header, body: string(body), took: time.Since(began)}, err
	})
}

func (c *call) overGRPC(t *testing.T, m *mesh.Mesh, w *world) {
	t.Helper()
	u, err := url.Parse(c.to)
	if err != nil {
		t.Fatal(err)
	}
	dial := grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return w.dial(ctx, "tcp", addr) })
	cc, err := grpc.NewClient("enmesh:///"+u.Host, append(meshgrpc.NewClient(m.Outbound(), m).DialOptions(), dial)...)
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	c.check(t, w, true, func() (answer, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for k, v := range c.header {
			ctx = metadata.AppendToOutgoingContext(ctx, k, v)
		}
		var head metadata.MD
		began := time.Now()
		err := cc.Invoke(ctx, u.Path, new(emptypb.Empty), new(emptypb.Empty), grpc.Header(&head))
		a := answer{status: 200, code: status.Code(err), header: http.Header{}, took: time.Since(began)}
		if err != nil {
			a.status, a.body = 0, status.Convert(err).Message()
		}
		for k, v := range head {
			a.header[http.CanonicalHeaderKey(k)] = v
		}
		return a, nil
	})
}

// check makes the calls and holds what they came to against what they must.
func (c *call) check(t *testing.T, w *world, rpc bool, do func() (answer, error)) {
	t.Helper()
	what := "HTTP " + c.to
	if rpc {
		what = "gRPC " + c.to
	}
	if c.after > 0 {
		if _, err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		w.wait(c.after)
	}
	c.meetAll(t, what, do)
	served := map[string]int{}
	n, copies, arrived := max(c.times, 1), w.arrivals(c.mirrored), w.arrivals("")
	for i := range n {
		a, err := do()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if c.cookie != "" {
			c.keepCookie(t, what, i, a)
		}
		served[c.sharer(a)]++
		if why := c.differs(a, rpc); why != "" {
			t.Fatalf("%s, header %v: %s", what, c.header, why)
		}
	}
	if len(c.shares) > 0 {
		c.checkShares(t, what, served, n)
	}
	if c.same && len(served) != 1 {
		t.Errorf("%s: %v served, want one", what, served)
	}
	if c.servers > 0 && len(served) != c.servers {
		t.Errorf("%s: %v served, want %d", what, served, c.servers)
	}
	want := c.arrive[0]
	if rpc {
		want = c.arrive[1]
	}
	if got := w.arrivals("") - arrived; want > 0 && got != want*n {
		t.Errorf("%s: arrived %d times, want %d", what, got, want*n)
	}
	if c.mirrored != "" {
		w.await(c.mirrored, copies+n)
	}
}

// keepCookie wants the first answer to set the cookie, which is sent from then on, and no
// other to set one.
func (c *call) keepCookie(t *testing.T, what string, n int, a answer) {
	t.Helper()
	set := strings.Join(a.header["Set-Cookie"], " and ")
	if n > 0 {
		if set != "" {
			t.Fatalf("%s: call %d has the cookie and is set %q", what, n, set)
		}
		return
	}
	if !regexp.MustCompile(c.cookie).MatchString(set) {
		t.Fatalf("%s: the answer sets the cookie %q, want %s", what, set, c.cookie)
	}
	pair, _, _ := strings.Cut(set, ";")
	c.header = map[string]string{"cookie": pair}
}

// meetAll makes calls until each has served that is to have a share: over gRPC those that are
// connected first have the others' calls until these are, too, which is a matter of
// milliseconds, and so may be hundreds of calls.
func (c *call) meetAll(t *testing.T, what string, do func() (answer, error)) {
	t.Helper()
	if len(c.shares) < 2 {
		return
	}
	met := map[string]bool{}
	for end := time.Now().Add(5 * time.Second); len(met) < len(c.shares); {
		a, err := do()
		if err != nil || time.Now().After(end) {
			t.Fatalf("%s: %v served, want %v; error %v", what, met, c.shares, err)
		}
		if who := c.sharer(a); c.shares[who] > 0 {
			met[who] = true
		}
	}
}

// sharer is who served, as shares name it: with its version, or without.
func (c *call) sharer(a answer) string {
	who := a.header.Get(servedBy)
	if service, _, _ := strings.Cut(who, " "); c.shares[service] > 0 {
		return service
	}
	return who
}

func (c *call) checkShares(t *testing.T, what string, served map[string]int, n int) {
	t.Helper()
	for who, want := range c.shares {
		got, sigma := float64(served[who])/float64(n), math.Sqrt(want*(1-want)/float64(n))
		if math.Abs(got-want) > 4*sigma+1e-9 {
			t.Errorf("%s: %s had %.3f of %d calls, want %.3f", what, who, got, n, want)
		}
	}
	for who, n := range served {
		if _, ok := c.shares[who]; !ok {
			t.Errorf("%s: %d calls went to %q, want none", what, n, who)
		}
	}
}

// differs says what of an answer is not as it must be.
func (c *call) differs(a answer, rpc bool) string {
	switch want := c.status; {
	case !rpc && a.status != or(want, http.StatusOK):
		return fmt.Sprintf("status %d (%s), want %d", a.status, a.body, or(want, http.StatusOK))
	case rpc && a.code != c.code:
		return fmt.Sprintf("code %v (%s), want %v", a.code, a.body, c.code)
	case c.took[0] > 0 && a.took < c.took[0], c.took[1] > 0 && a.took > c.took[1]:
		return fmt.Sprintf("took %v, want %v", a.took, c.took)
	case c.served != "" && a.header.Get(servedBy) != c.served:
		return fmt.Sprintf("served by %q, want %q", a.header.Get(servedBy), c.served)
	case c.body != "" && !rpc && a.body != c.body:
		return fmt.Sprintf("body %q, want %q", a.body, c.body)
	}
	if a.header.Get(servedBy) == "" {
		return wantHeaders("answer", a.header, c.got)
	}
	path := c.path
	if path == "" {
		u, _ := url.Parse(c.to)
		path = u.RequestURI()
		if rpc {
			path = u.Path
		}
	}
	if got := a.header.Get(sawPath); got != path {
		return fmt.Sprintf("the server saw the path %q, want %q", got, path)
	}
	if got := a.header.Get(sawHost); c.host != "" && got != c.host {
		return fmt.Sprintf("the server saw the host %q, want %q", got, c.host)
	}
	var saw http.Header
	if err := json.Unmarshal([]byte(a.header.Get(sawAll)), &saw); err != nil {
		return err.Error()
	}
	if why := wantHeaders("request", saw, c.saw); why != "" {
		return why
	}
	if why := wantHeaders("answer", a.header, c.gotFrom[a.header.Get(servedBy)]); why != "" {
		return why
	}
	return wantHeaders("answer", a.header, c.got)
}

func wantHeaders(of string, h http.Header, want map[string]string) string {
	for k, v := range want {
		got, has := h[http.CanonicalHeaderKey(k)]
		if v == "-" && has || v != "-" && strings.Join(got, ",") != v {
			return fmt.Sprintf("the %s has %s: %q, want %q", of, k, got, v)
		}
	}
	return ""
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// statusOf is the status that a policy's refusal stands for.
func statusOf(err error) int {
	e := enmesh.ErrorOf(err)
	switch {
	case e == nil:
		return 0
	case e.Status != 0:
		return e.Status
	}
	return enmesh.StatusOfCode(e.Code)
}

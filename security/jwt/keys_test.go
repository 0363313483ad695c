// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/jwt"
)

// jwksServer is an issuer's server in memory, and when it was asked.
type jwksServer struct {
	mu     sync.Mutex // guards what follows
	answer func(*http.Request) (*http.Response, error)
	asked  []time.Time
	open   int
	most   int // under way at once
}

func (s *jwksServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	answer := s.answer
	s.asked = append(s.asked, time.Now())
	s.open++
	s.most = max(s.most, s.open)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.open--
		s.mu.Unlock()
	}()
	return answer(r)
}

func (s *jwksServer) set(answer func(*http.Request) (*http.Response, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// serves has the server answer with a text from now on.
func (s *jwksServer) serves(text string) { s.set(answers(200, text)) }

func answers(status int, text string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: http.Header{}, ContentLength: int64(len(text)), Body: io.NopCloser(strings.NewReader(text)),
		}, nil
	}
}

func (s *jwksServer) fetches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// check asserts that there were ten seconds between the fetches, and one at a time.
func (s *jwksServer) check(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most > 1 {
		t.Errorf("%d fetches at once", s.most)
	}
	for i := 1; i < len(s.asked); i++ {
		if d := s.asked[i].Sub(s.asked[i-1]); d < 10*time.Second {
			t.Errorf("fetch %d came %v after the one before", i+1, d)
		}
	}
}

func down(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// hangs answers when the fetch gives up.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// remote is a rule whose keys are fetched.
func remote() jwt.Rule {
	return jwt.Rule{Name: "test", Issuer: issuer, JWKSURI: "https://issuer.example/jwks?secret=hush"}
}

// fetching is an Authenticator over an issuer's server.
func fetching(t *testing.T, s *jwksServer, cfg jwt.Config) *jwt.Authenticator {
	t.Helper()
	cfg.Rules, cfg.Client = []jwt.Rule{remote()}, &http.Client{Transport: s}
	return newAuth(t, cfg)
}

func TestScenarioA7_issuerDownAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &jwksServer{}
		s.set(down)
		rec := &recorder{}
		a := fetching(t, s, jwt.Config{Recorder: rec})
		for range 100 {
			if _, err := call(a, bearer(token(nil))); !errors.Is(err, jwt.ErrNoKeys) || enmesh.CodeOf(err) != enmesh.Unauthenticated {
				t.Fatalf("with no keys: %v", err)
			}
			time.Sleep(time.Second)
		}
		if _, err := call(a, func(*enmesh.Call) {}); err != nil {
			t.Error("without a token:", err)
		}
		if rec.n.Load() != 100 {
			t.Errorf("recorded %d, want 100", rec.n.Load())
		}
		s.serves(allKeys())
		begin := time.Now()
		for {
			if _, err := call(a, bearer(token(nil))); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(begin); took > 13*time.Second {
			t.Errorf("recovered after %v", took)
		}
		s.check(t)
	})
}

// recorder counts decisions.
type recorder struct {
	n    atomic.Int64
	last atomic.Pointer[enmesh.Decision]
}

func (r *recorder) Record(_ *enmesh.Call, d enmesh.Decision) {
	r.n.Add(1)
	r.last.Store(&d)
}

func TestScenarioA7_lastGoodKeysForADay(t *testing.T) {
	big := `{"keys":[` + strings.Repeat(" ", 10<<20) + `]}`
	for name, bad := range map[string]func(*http.Request) (*http.Response, error){
		"down": down, "hangs": hangs, "status 500": answers(500, jwks()), "redirect": answers(302, jwks()), "no content": answers(204, ""),
		"empty": answers(200, ""), "HTML": answers(200, "<html>"), "JSON that is no set": answers(200, `{"key":[]}`), "keys null": answers(200, `{"keys":null}`),
		"cut": answers(200, allKeys()[:100]), "10 MiB": answers(200, big), "names twice": answers(200, `{"keys":[],"keys":[]}`),
		"drips": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(&drip{r.Context()})}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &jwksServer{}
				s.serves(allKeys())
				a := fetching(t, s, jwt.Config{})
				year := object{"exp": time.Now().Add(365 * 24 * time.Hour).Unix()}
				raw := token(year)
				if _, err := call(a, bearer(raw)); err != nil {
					t.Fatal(err)
				}
				s.set(bad)
				for range 23 {
					time.Sleep(time.Hour)
					if _, err := call(a, bearer(raw)); err != nil {
						t.Fatal("known token, within a day:", err)
					}
					if _, err := call(a, bearer(token(year))); err != nil {
						t.Fatal("new token, within a day:", err)
					}
				}
				time.Sleep(90 * time.Minute)
				if _, err := call(a, bearer(raw)); !errors.Is(err, jwt.ErrNoKeys) {
					t.Error("after a day:", err)
				}
				s.serves(allKeys())
				time.Sleep(13 * time.Second)
				if _, err := call(a, bearer(raw)); err != nil {
					t.Error("when it is back:", err)
				}
				s.check(t)
			})
		})
	}
}

// drip is a body of one byte a second.
type drip struct{ ctx context.Context }

func (d *drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func TestScenarioA7_keyRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &jwksServer{}
		s.serves(jwks(p256()))
		a := fetching(t, s, jwt.Config{})
		old := token(nil)
		if _, err := call(a, bearer(old)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s.serves(jwks(p256(), edKey()))
		var group sync.WaitGroup
		for range 50 { // the first of them fetches, and all wait for it
			group.Go(func() {
				if _, err := call(a, bearer(edKey().sign("EdDSA", nil, claims(nil)))); err != nil {
					t.Error("new key:", err)
				}
			})
		}
		group.Wait()
		if got := s.fetches(); got != 2 {
			t.Errorf("%d fetches, want 2", got)
		}
		if _, err := call(a, bearer(old)); err != nil {
			t.Error("old key, still there:", err)
		}
		s.serves(jwks(edKey()))
		time.Sleep(jwt.DefaultRefresh + time.Second)
		if _, err := call(a, bearer(old)); !errors.Is(err, jwt.ErrKey) {
			t.Error("a known token of a key that was withdrawn:", err)
		}
		if _, err := call(a, bearer(token(nil))); !errors.Is(err, jwt.ErrKey) {
			t.Error("a new token of a key that was withdrawn:", err)
		}
		s.serves(`{"keys":[]}`)
		time.Sleep(jwt.DefaultRefresh + time.Second)
		if _, err := call(a, bearer(edKey().sign("EdDSA", nil, claims(nil)))); !errors.Is(err, jwt.ErrKey) {
			t.Error("when all keys are withdrawn:", err)
		}
		s.check(t)
	})
}

// A key that has no name is looked for anew when it does not fit.
func TestScenarioA7_rotationOfAKeyWithoutAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := &signer{"", rsaKey().private}, &signer{"", otherRSA().private}
		s := &jwksServer{}
		s.serves(jwks(one))
		a := fetching(t, s, jwt.Config{})
		if _, err := call(a, bearer(one.sign("RS256", object{"kid": nil}, claims(nil)))); err != nil {
			t.Fatal(err)
		}
		s.serves(jwks(two))
		time.Sleep(11 * time.Second)
		if _, err := call(a, bearer(two.sign("RS256", object{"kid": nil}, claims(nil)))); err != nil {
			t.Error("new key:", err)
		}
		s.check(t)
	})
}

func TestScenarioA7_unknownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &jwksServer{}
		s.serves(allKeys())
		a := fetching(t, s, jwt.Config{})
		raw, calls := token(nil), 100_000
		if raceEnabled {
			calls /= 10
		}
		for i := range calls {
			forged := unsigned(object{"alg": "ES256", "kid": fmt.Sprint("../", i)}, claims(nil), make([]byte, 64))
			if _, err := call(a, bearer(forged)); !errors.Is(err, jwt.ErrKey) {
				t.Fatal("unknown key:", err)
			}
			if i%1000 == 0 {
				if _, err := call(a, bearer(raw)); err != nil {
					t.Fatal("good token:", err)
				}
			}
			time.Sleep(time.Millisecond)
		}
		if got := s.fetches(); got > 11 {
			t.Errorf("%d fetches in 100 s", got)
		}
		s.check(t)
	})
}

// While the issuer hangs, a flood of unknown keys holds a hundred calls and no more.
func TestScenarioA7_slowIssuerHoldsFewCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &jwksServer{}
		s.serves(allKeys())
		a := fetching(t, s, jwt.Config{})
		if _, err := call(a, bearer(token(nil))); err != nil {
			t.Fatal(err)
		}
		s.set(hangs)
		time.Sleep(time.Minute)
		var waited atomic.Int64
		var group sync.WaitGroup
		for i := range 1000 {
			group.Go(func() {
				begin := time.Now()
				forged := unsigned(object{"alg": "ES256", "kid": fmt.Sprint(i)}, claims(nil), make([]byte, 64))
				if _, err := call(a, bearer(forged)); !errors.Is(err, jwt.ErrKey) {
					t.Error("unknown key:", err)
				}
				if took := time.Since(begin); took > 0 {
					waited.Add(1)
					if took > 5*time.Second {
						t.Errorf("waited %v", took)
					}
				}
			})
		}
		group.Wait()
		if got := waited.Load(); got > 100 {
			t.Errorf("%d calls waited", got)
		}
		if _, err := call(a, bearer(token(nil))); err != nil {
			t.Error("good token:", err)
		}
		s.check(t)
	})
}

// While there are no keys yet, all who come wait for the first, and none is refused.
func TestScenarioA7_theFirstFetchIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &jwksServer{}
		s.set(func(r *http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			return answers(200, allKeys())(r)
		})
		a := fetching(t, s, jwt.Config{})
		raw := token(nil)
		var group sync.WaitGroup
		for range 1000 {
			group.Go(func() {
				if _, err := call(a, bearer(raw)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := s.fetches(); got != 1 {
			t.Errorf("%d fetches", got)
		}
	})
}

// What is wrong is logged once, and so is its end.
func TestKeys_logChangesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text syncBuffer
		s := &jwksServer{}
		s.set(down)
		newAuth(t, jwt.Config{
			Rules: []jwt.Rule{remote()}, Client: &http.Client{Transport: s}, Log: slog.New(slog.NewTextHandler(&text, nil)),
		})
		time.Sleep(time.Hour)
		s.set(answers(500, ""))
		time.Sleep(time.Hour)
		s.serves(allKeys())
		time.Sleep(time.Hour)
		got := text.String()
		for want, n := range map[string]int{"failed": 2, "connection refused": 1, "status 500": 1, "succeeds again": 1, "keys have changed": 1, "\n": 4} {
			if strings.Count(got, want) != n {
				t.Errorf("%q is there %d times, want %d:\n%s", want, strings.Count(got, want), n, got)
			}
		}
	})
}

// A caller that gives up does not wait for the keys, and a reload does not lose them.
func TestKeys_outliveTheirAuthenticators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &jwksServer{}
		s.serves(allKeys())
		keys, err := jwt.NewKeys(jwt.KeysConfig{Client: &http.Client{Transport: s}, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		before := newAuth(t, jwt.Config{Rules: []jwt.Rule{remote()}, Keys: keys})
		if _, err := call(before, bearer(token(nil))); err != nil {
			t.Fatal(err)
		}
		s.set(down)
		again := remote()
		again.OutputPayload = "x-payload"
		after := newAuth(t, jwt.Config{Rules: []jwt.Rule{again}, Keys: keys})
		_ = before.Close()
		_ = before.Close()
		if _, err := call(after, bearer(token(nil))); err != nil {
			t.Error("after the reload:", err)
		}
		if st := after.Status(); len(st) != 1 || st[0].URI != "https://issuer.example/jwks" || st[0].Keys != 5 || st[0].Fetches != 1 || st[0].Err != nil || st[0].Fetched.IsZero() {
			t.Errorf("status %+v", st)
		}
		time.Sleep(6 * time.Minute)
		if st := keys.Status(); len(st) != 1 || st[0].Err == nil || st[0].Keys != 5 {
			t.Errorf("status %+v", st)
		}
		_ = after.Close()
		if st := keys.Status(); len(st) != 0 {
			t.Errorf("status %+v, want none", st)
		}
		_ = keys.Close()
		late := newAuth(t, jwt.Config{Rules: []jwt.Rule{remote()}, Keys: keys})
		if _, err := call(late, bearer(token(nil))); !errors.Is(err, jwt.ErrNoKeys) {
			t.Error("after Close:", err)
		}
		s.set(hangs)
		own := fetching(t, s, jwt.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := callIn(ctx, own, bearer(token(nil))); !errors.Is(err, jwt.ErrNoKeys) || time.Since(begin) != time.Second {
			t.Errorf("a caller with a second to wait: %v after %v", err, time.Since(begin))
		}
	})
}

// The real thing: neither a redirect nor a secret in the log.
func TestKeys_fromAServer(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = io.WriteString(w, allKeys())
	}))
	defer other.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, allKeys()) })
	mux.Handle("/moved", http.RedirectHandler(other.URL, http.StatusFound))
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte(" "), 10<<20))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	var text syncBuffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	for path, good := range map[string]bool{"/good": true, "/moved": false, "/big": false, "/none": false} {
		a := newAuth(t, jwt.Config{Log: log, Rules: []jwt.Rule{{Issuer: issuer, JWKSURI: srv.URL + path + "?secret=hush"}}})
		_, err := call(a, bearer(token(nil)))
		if good != (err == nil) || !good && !errors.Is(err, jwt.ErrNoKeys) {
			t.Errorf("%s: %v", path, err)
		}
		_ = a.Close()
	}
	if elsewhere.Load() != 0 {
		t.Error("followed a redirect")
	}
	if got := text.String(); strings.Contains(got, "hush") || strings.Count(got, "fetching keys failed") != 3 {
		t.Errorf("log: %s", got)
	}
}

// syncBuffer is a buffer that can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

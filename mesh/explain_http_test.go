// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/mesh"
)

// question asks the explainer of a mesh.
func question(m *mesh.Mesh, query string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	m.Explainer().ServeHTTP(w, httptest.NewRequest(http.MethodGet, query, http.NoBody))
	return w
}

// What is asked over HTTP is what a program asks.
func TestExplainer_answers(t *testing.T) {
	m := asked(t, map[string]string{"reviews.yaml": delegating, "shop.yaml": delegate, "subsets.yaml": subsets}, three())
	w := question(m, "/explain?protocol=http&host=reviews:80&path=/v1/books/x&query=q%3D1&header=end-user:ann&header=X-B:+2&method=get&candidates=2")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v: %s", w.Code, w.Header(), w.Body)
	}
	var got mesh.Explanation
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := explain(t, m, mesh.Query{
		Host: "reviews:80", Path: "/v1/books/x", RawQuery: "q=1", Candidates: 2,
		Header: http.Header{"End-User": {"ann"}, "X-B": {"2"}},
	})
	if got.String() != want.String() || got.Call != "GET http://reviews:80/v1/books/x?q=1" || got.Destinations[0].Omitted != 1 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	w = question(m, "/explain?host=reviews&port=80&scheme=https&authority=a&path=/v1/books/x&format=text")
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || !strings.HasPrefix(w.Body.String(), "GET https://a/v1/books/x\n") {
		t.Errorf("%d %v: %s", w.Code, w.Header(), w.Body)
	}
	if w = question(m, "/explain?protocol=grpc&host=reviews&path=/a.B/C&format=json"); w.Code != 200 || !strings.Contains(w.Body.String(), `"call": "grpc /a.B/C of reviews"`) {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

// What cannot be answered says which parameter is at fault, and what to write instead.
func TestExplainer_mistakes(t *testing.T) {
	m := asked(t, nil, nil)
	many := "host=a" + strings.Repeat("&header=a:b", 65)
	for query, want := range map[string]string{
		"/explain":                                    "host is missing: say what is called, as host=reviews",
		"/explain?hots=reviews":                       `parameter "hots" is not known: there are protocol, host, port`,
		"/explain?host=a&host=b":                      "parameter host is given 2 times: give it once",
		"/explain?host=a&protocol=tcp":                `protocol "tcp" is not known: http and grpc are`,
		"/explain?host=a&port=x":                      `port "x" is no number from 1 to 65535`,
		"/explain?host=a&port=70000":                  `port "70000" is no number from 1 to 65535`,
		"/explain?host=a&candidates=0":                `candidates "0" is no number from 1 to 10000`,
		"/explain?host=a&header=b":                    "a header is not name:value: write header=end-user:jason",
		"/explain?host=a&header=:b":                   "a header is not name:value",
		"/explain?host=a&format=xml":                  `format "xml" is not known: json and text are`,
		"/explain?host=a&path=b":                      `path "b" does not begin with a slash`,
		"/explain?host=a&path=%zz":                    "the query cannot be read",
		"/explain?host=a&protocol=grpc&path=/":        `path "/" is no method of gRPC: write /package.Service/Method`,
		"/explain?" + many:                            "65 headers are given: 64 are allowed",
		"/explain?host=" + strings.Repeat("a", 17000): "16384 are allowed",
		"/decisions?service=a&n=0":                    `n "0" is no number from 1 to 2000`,
		"/decisions?host=a":                           `parameter "host" is not known: there are service, n, format`,
	} {
		if w := question(m, query); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%.60s: %d %q, want 400 %q", query, w.Code, w.Body, want)
		}
	}
	silent := asked(t, nil, nil, mesh.WithDecisions(-1))
	if w := question(silent, "/decisions"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "mesh.WithDecisions") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestExplainer_decisions(t *testing.T) {
	s := newStreet(t, "reviews")
	m := s.open(t, s.web, "")
	if w := question(m, "/decisions?format=text"); w.Body.String() != "no calls yet\n" {
		t.Errorf("before any call: %q", w.Body)
	}
	c := newCaller(t, m)
	for range 3 {
		c.call(t, mesh.Query{Host: "reviews", Method: "GET", Path: "/x", RawQuery: "token=hush"})
	}
	if w := question(m, "/decisions?format=text"); !strings.Contains(w.Body.String(), "  reviews.default.svc.cluster.local\n") {
		t.Errorf("the services: %q", w.Body)
	}
	var got struct {
		Service   string
		Decisions []struct {
			Path, Outcome string
			Duration      float64 `json:"duration_ms"`
			Attempts      []struct {
				Endpoint string
				Duration float64 `json:"duration_ms"`
			}
		}
	}
	w := question(m, "/decisions?n=2&service="+url.QueryEscape("reviews"))
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Decisions) != 2 || got.Decisions[0].Path != "/x" || got.Decisions[0].Duration <= 0 ||
		len(got.Decisions[0].Attempts) != 1 || got.Decisions[0].Attempts[0].Duration <= 0 {
		t.Errorf("got %s", w.Body)
	}
	text := question(m, "/decisions?format=text&service=reviews").Body.String()
	if strings.Contains(text, "hush") || strings.Count(text, " GET reviews/x -> reviews.default.svc.cluster.local by default: success 200 OK in ") != 3 ||
		strings.Count(text, "\n    1: 127.0.0.1:") != 3 {
		t.Errorf("got %s", text)
	}
}

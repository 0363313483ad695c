// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package services_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/book"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/services"
)

// network sends by the name of the service, in memory.
type network map[string]http.Handler

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	h := n[r.URL.Hostname()]
	if h == nil {
		return nil, errors.New("no such service")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// get asks h for a path and returns the answer's status and body.
func get(t *testing.T, h http.Handler, r *http.Request) (status int, body string, header http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

func request(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
}

func reviews(version, color string, stars services.StarsFunc) http.Handler {
	return services.Reviews(services.ReviewsConfig{Version: version, Color: color, Stars: stars})
}

func TestProductpage_showsStarsByVersion(t *testing.T) {
	n := network{"details": services.Details(), "ratings": services.Ratings(0)}
	client := &http.Client{Transport: n}
	broken := func(context.Context, int64) (map[string]int32, error) { return nil, errors.New("out of order") }
	for _, test := range []struct {
		name      string
		reviews   http.Handler
		want, not string
	}{
		{"v1 has no stars", reviews("v1", "", nil), "reviews v1", "★"},
		{"v2 has black stars", reviews("v2", "black", services.HTTPStars(client)), "stars black", "stars red"},
		{"v3 has red stars", reviews("v3", "red", services.HTTPStars(client)), "stars red", "stars black"},
		{"without ratings it says so", reviews("v3", "red", broken), "ratings cannot be had", "★"},
		{"without reviews it says so", nil, "reviews of this book cannot be had", "reviews v"},
	} {
		n["reviews"] = test.reviews
		if test.reviews == nil {
			delete(n, "reviews")
		}
		status, body, _ := get(t, services.Productpage(client), request(t, http.MethodGet, "/productpage", ""))
		if status != http.StatusOK || !strings.Contains(body, test.want) || strings.Contains(body, test.not) {
			t.Errorf("%s: status %d, want 200; want %q and not %q in:\n%s", test.name, status, test.want, test.not, body)
		}
		if !strings.Contains(body, "The Comedy of Errors") {
			t.Errorf("%s: the details are not on the page", test.name)
		}
	}
}

func TestProductpage_withoutDetailsSaysSo(t *testing.T) {
	page := services.Productpage(&http.Client{Transport: network{}})
	status, body, _ := get(t, page, request(t, http.MethodGet, "/productpage", ""))
	if want := "details of this book cannot be had"; status != http.StatusOK || !strings.Contains(body, want) {
		t.Errorf("got status %d, want 200 and %q in:\n%s", status, want, body)
	}
}

func TestIngress_turnsASignInIntoTheHeader(t *testing.T) {
	seen := make(chan string, 1)
	far := network{"productpage": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("End-User")
	})}
	front := services.Ingress(far, nil)
	for _, test := range []struct {
		name, target, header, cookie, want string
	}{
		{"nobody", "/productpage", "", "", ""},
		{"header", "/productpage", "luciana", "", "luciana"},
		{"query", "/productpage?user=dromio", "", "", "dromio"},
		{"cookie", "/productpage", "", "nell", "nell"},
		{"query goes before cookie", "/productpage?user=dromio", "", "nell", "dromio"},
		{"what is no name", "/productpage?user=" + url.QueryEscape("a b"), "a b", "", ""},
	} {
		r := request(t, http.MethodGet, test.target, "")
		if test.header != "" {
			r.Header.Set("End-User", test.header)
		}
		if test.cookie != "" {
			r.AddCookie(&http.Cookie{Name: "bookinfo-user", Value: test.cookie})
		}
		get(t, front, r)
		if got := <-seen; got != test.want {
			t.Errorf("%s: productpage sees user %q, want %q", test.name, got, test.want)
		}
	}
}

func TestProductpage_signsInAndOut(t *testing.T) {
	page := services.Productpage(&http.Client{Transport: network{}})
	login := func(name string) *http.Request {
		r := request(t, http.MethodPost, "/login", url.Values{"user": {name}}.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	status, _, header := get(t, page, login("luciana"))
	if got := header.Get("Set-Cookie"); status != http.StatusSeeOther || !strings.HasPrefix(got, "bookinfo-user=luciana;") {
		t.Errorf("login: status %d, cookie %q; want 303 and the name", status, got)
	}
	if status, _, _ := get(t, page, login("two words")); status != http.StatusBadRequest {
		t.Errorf("login with two words: status %d, want 400", status)
	}
	status, _, header = get(t, page, request(t, http.MethodPost, "/logout", ""))
	if got := header.Get("Set-Cookie"); status != http.StatusSeeOther || !strings.Contains(got, "Max-Age=0") {
		t.Errorf("logout: status %d, cookie %q; want 303 and an end", status, got)
	}
}

func TestServices_refuse(t *testing.T) {
	for name, h := range map[string]http.Handler{
		"details": services.Details(), "ratings": services.Ratings(0), "reviews": reviews("v1", "", nil),
	} {
		for target, want := range map[string]int{"/0": 200, "/7": 404, "/x": 400, "/99999999999999999999": 400} {
			if got, _, _ := get(t, h, request(t, http.MethodGet, "/"+name+target, "")); got != want {
				t.Errorf("GET /%s%s: status %d, want %d", name, target, got, want)
			}
		}
	}
}

func TestRatings_flaky(t *testing.T) {
	failed := 0
	h := services.Ratings(25)
	for range 2000 {
		if status, _, _ := get(t, h, request(t, http.MethodGet, "/ratings/0", "")); status == http.StatusServiceUnavailable {
			failed++
		}
	}
	if failed < 400 || failed > 600 { // 500 and five standard deviations of 19
		t.Errorf("%d of 2000 failed, want about 500", failed)
	}
}

func TestBook_everyReviewHasStars(t *testing.T) {
	list, _ := book.ReviewsOf(book.ID)
	stars, _ := book.RatingsOf(book.ID)
	if len(list) == 0 {
		t.Fatal("no reviews")
	}
	for _, r := range list {
		if n := stars[r.Reviewer]; n < 1 || n > 5 {
			t.Errorf("%s gave %d stars, want 1 to 5", r.Reviewer, n)
		}
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/app"
)

func TestStep_allV1(t *testing.T) {
	r := start(t, "01-all-v1.yaml", app.Config{})
	if got := r.reviewVersions(200, ""); got["v1"] != 200 {
		t.Errorf("of 200 calls %v, want all v1", got)
	}
	r.noFailures()
}

func TestStep_9010(t *testing.T) {
	r := start(t, "02-90-10.yaml", app.Config{})
	got := r.reviewVersions(2000, "")
	if v2 := got["v2"]; v2 < 140 || v2 > 260 || got["v3"] != 0 { // 200; three points are 4.5 standard deviations
		t.Errorf("of 2000 calls %v, want 10%% ± 3 points v2 and the rest v1", got)
	}
	t.Logf("of 2000 calls: %v", got)
	r.noFailures()
}

func TestStep_userToV2(t *testing.T) {
	r := start(t, "03-user-to-v2.yaml", app.Config{})
	if got := r.reviewVersions(100, "luciana"); got["v2"] != 100 {
		t.Errorf("of luciana's 100 calls %v, want all v2", got)
	}
	for _, user := range []string{"", "adriana"} {
		if got := r.reviewVersions(100, user); got["v1"] != 100 {
			t.Errorf("of 100 calls of user %q %v, want all v1", user, got)
		}
	}
	for _, p := range r.pages(10, "luciana") { // the whole way, from the browser on
		if p.version() != "v2" {
			t.Errorf("luciana's page is of %q, want v2", p.version())
		}
	}
	r.noFailures()
}

func TestStep_delay(t *testing.T) {
	r := start(t, "04-delay.yaml", app.Config{})
	const delay, quick = 2 * time.Second, 1500 * time.Millisecond
	seen := map[string]int{}
	for _, p := range r.pages(24, "luciana") {
		slow := p.version() != "v1" // who asks ratings
		if slow && p.took < delay || !slow && p.took > quick {
			t.Errorf("luciana's page of %s took %v; want v1 quick, v2 and v3 at least %v", p.version(), p.took, delay)
		}
		seen[p.version()]++
	}
	if seen["v2"]+seen["v3"] == 0 {
		t.Errorf("pages of %v: none asked ratings", seen)
	}
	for _, p := range r.pages(24, "") {
		if p.took > quick {
			t.Errorf("a stranger's page took %v, want less than %v", p.took, quick)
		}
	}
	r.noFailures()
}

func TestStep_abort(t *testing.T) {
	r := start(t, "05-abort.yaml", app.Config{})
	for _, p := range r.pages(60, "luciana") {
		if sorry := strings.Contains(p.body, "ratings cannot be had"); sorry != (p.version() != "v1") {
			t.Errorf("luciana's page of %s: ratings missing is %v", p.version(), sorry)
		}
	}
	for _, p := range r.pages(30, "") {
		if strings.Contains(p.body, "cannot be had") {
			t.Errorf("a stranger's page of %s lacks something", p.version())
		}
	}
	for _, protocol := range []string{"http", "grpc"} {
		e := r.edge("reviews", "ratings", "unknown", protocol) // no instance was asked
		if e.Requests == 0 || e.Failures != e.Requests || e.Attempts != 0 {
			t.Errorf("aborted calls over %s: %d requests, %d failures, %d attempts; want some, all failed, none sent",
				protocol, e.Requests, e.Failures, e.Attempts)
		}
		t.Logf("aborted over %s: %v", protocol, e.Codes)
	}
}

func TestStep_timeout(t *testing.T) {
	r := start(t, "06-timeout.yaml", app.Config{})
	sorry := 0
	for _, p := range r.pages(45, "") {
		if p.took > 1500*time.Millisecond {
			t.Errorf("a page took %v, want about half a second at most", p.took)
		}
		switch {
		case strings.Contains(p.body, "reviews of this book cannot be had"):
			sorry++
		case p.version() != "v1":
			t.Errorf("a page has reviews of %q, want v1 alone", p.version())
		}
	}
	if sorry == 0 || sorry == 45 {
		t.Errorf("%d of 45 pages without reviews, want about two thirds", sorry)
	}
	for _, version := range []string{"v2", "v3"} {
		if e := r.edge("productpage", "reviews", version, "http"); e.Requests == 0 || e.Codes["504"] != e.Requests {
			t.Errorf("calls to reviews %s: codes %v, want 504 alone", version, e.Codes)
		}
	}
}

func TestStep_retries(t *testing.T) {
	const calls = 600
	r := start(t, "07-retries.yaml", app.Config{Flaky: 15})
	client := r.askers()
	for protocol, ask := range client {
		failed := failures(calls, ask)
		e := r.edge("reviews", "ratings", "v1", protocol)
		// 15% of attempts fail; of calls 0.15^4 = 0.05%, and attempts are 1.18 a call, which
		// the retry budget of 20% still pays for.
		if failed > calls/50 || e.AttemptsPerCall() < 1.1 || e.AttemptsPerCall() > 1.27 {
			t.Errorf("over %s %d of %d calls failed with %.2f attempts a call; want at most 2%%, and about 1.18",
				protocol, failed, calls, e.AttemptsPerCall())
		}
		t.Logf("over %s: %d of %d failed, %.2f attempts a call", protocol, failed, calls, e.AttemptsPerCall())
	}
}

func TestStep_breaker(t *testing.T) {
	r := start(t, "08-breaker.yaml", app.Config{Ratings: 2, Flaky: 100})
	for protocol, ask := range r.askers() {
		warm := failures(40, ask) // until the bad instance is out
		before := r.edge("reviews", "ratings", "v1", protocol)
		for end := time.Now().Add(10 * time.Second); uint64(warm)+before.Attempts-before.Requests < 3 && time.Now().Before(end); {
			warm += failures(40, ask) // gRPC may not be connected to it yet
			before = r.edge("reviews", "ratings", "v1", protocol)
		}
		failed := failures(200, ask)
		after := r.edge("reviews", "ratings", "v1", protocol)
		attempts := after.Attempts - before.Attempts
		if failed != 0 || attempts != 200 {
			t.Errorf("over %s with the bad instance ejected: %d of 200 calls failed, %d attempts; want none, 200", protocol, failed, attempts)
		}
		if warm == 0 && before.Attempts == before.Requests {
			t.Errorf("over %s nothing failed at first, and nothing was retried: the bad instance was never asked", protocol)
		}
		t.Logf("over %s: %d of the first 40 failed, then %d of 200", protocol, warm, failed)
	}
}

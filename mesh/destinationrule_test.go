// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"math"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
)

// refused checks that a call is refused by this process, with a status and a flag of
// Envoy's over HTTP, and a code and the flag over gRPC.
func (v *visit) refused(host string, httpStatus int, code codes.Code, flag enmesh.Flag) {
	v.Helper()
	_, _, err := v.caller.ask(v.T, v.protocol, request{host: host, target: "/a.B/C"})
	e := enmesh.ErrorOf(err)
	switch {
	case e == nil || e.Flag != flag:
		v.Errorf("got %v, want flag %s", err, flag)
	case v.protocol == enmesh.HTTP && e.Status != httpStatus:
		v.Errorf("got status %d (%v), want %d", e.Status, err, httpStatus)
	case v.protocol == enmesh.GRPC && status.Code(err) != code:
		v.Errorf("got %v, want %v", err, code)
	}
}

// http2MaxRequests bounds the calls in flight to all instances together; one more is refused
// at once, whether it would be sent again or not, and when one has ended there is room.
func TestDestinationRule_http2MaxRequests(t *testing.T) {
	s := newStreet(t, "reviews")
	s.atPorts(t, destinationRule("trafficPolicy: {connectionPool: {http: {http2MaxRequests: 2}}}"), nil, func(v *visit) {
		s.take("")
		held := make(chan string, 2)
		for range 2 {
			go func() { held <- v.say("reviews", "/held.A/B") }()
		}
		n := 0
		until(t, "two calls are there", func() bool { n += len(s.take("")); return n == 2 })
		v.refused("reviews", http.StatusServiceUnavailable, codes.Unavailable, enmesh.FlagOverflow)
		if got := s.take(""); len(got) != 0 {
			t.Errorf("the call that was too many came to %+v", got)
		}
		for range 2 {
			s.release <- struct{}{}
			if got := <-held; !strings.HasPrefix(got, "reviews v") {
				t.Errorf("a call that had room got %q", got)
			}
		}
		until(t, "there is room again", func() bool { return strings.HasPrefix(v.say("reviews", "/a.B/C"), "reviews v") })
	})
}

// A subset that nothing defines is a refusal where no DestinationRule of the host is loaded.
func TestDestinationRule_missingSubset(t *testing.T) {
	s := newStreet(t, "reviews")
	s.atPorts(t, forReviews("{route: [{destination: {host: reviews, subset: v9}}]}"), nil, func(v *visit) {
		v.refused("reviews", http.StatusServiceUnavailable, codes.Unavailable, enmesh.FlagNoCluster)
	})
}

// The rules that count 5xx read the status: any 5xx of HTTP, as in Envoy, and the codes of
// gRPC that stand for one, less those that are the caller's own fault.
func TestDestinationRule_what5xxEject(t *testing.T) {
	for _, tt := range []struct {
		name     string
		status   int
		code     codes.Code
		web, rpc bool // it ejects
	}{
		{"an error of its own", 500, codes.Internal, true, true},
		{"what it does not implement", 501, codes.Unimplemented, true, false},
		{"what the caller may not", 403, codes.PermissionDenied, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testEjects(t, "consecutive5xxErrors: 2", tt.status, tt.code, tt.web, tt.rpc)
		})
	}
}

// The rules for gateway errors and for the statuses that are listed read no others.
func TestDestinationRule_whatElseEjects(t *testing.T) {
	for _, tt := range []struct {
		name, rule string
		status     int
		code       codes.Code
		want       bool // it ejects
	}{
		{"a gateway error", "consecutive5xxErrors: 0, consecutiveGatewayErrors: 2", 503, codes.Unavailable, true},
		{"a gateway error, the rule off", "consecutive5xxErrors: 0, consecutiveGatewayErrors: 0", 503, codes.Unavailable, false},
		{"no gateway error", "consecutive5xxErrors: 0, consecutiveGatewayErrors: 2", 500, codes.Internal, false},
		{"a status that is listed", "consecutive5xxErrors: 2, outlierDetectionHttpErrorCodes: [200, 429]", 429, codes.ResourceExhausted, true},
		{"a 4xx where none are listed", "consecutive5xxErrors: 2", 429, codes.ResourceExhausted, false},
		{"a 5xx that is not listed", "consecutive5xxErrors: 2, outlierDetectionHttpErrorCodes: [429]", 500, codes.Internal, false},
	} {
		t.Run(tt.name, func(t *testing.T) { testEjects(t, tt.rule, tt.status, tt.code, tt.want, tt.want) })
	}
}

// testEjects has one of three instances fail, and wants it ejected over HTTP if web, and over
// gRPC if rpc.
func testEjects(t *testing.T, rule string, status int, code codes.Code, web, rpc bool) {
	t.Helper()
	s := newStreet(t, "reviews")
	bad := func(h heard) bool { return h.who == "reviews v1" }
	s.status = func(h heard) int {
		if bad(h) {
			return status
		}
		return http.StatusOK
	}
	s.code = func(h heard) codes.Code {
		if bad(h) {
			return code
		}
		return codes.OK
	}
	documents := destinationRule("trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {"+rule+", baseEjectionTime: 300s}}") +
		forReviews("{retries: {attempts: 0}, route: [{destination: {host: reviews}}]}")
	s.atPorts(t, documents, nil, func(v *visit) {
		v.connected("reviews")
		for range 12 { // v1 answers four of them, at most
			v.say("reviews", "/a.B/C")
		}
		s.take("")
		for range 12 {
			v.say("reviews", "/a.B/C")
		}
		want := v.protocol == enmesh.HTTP && web || v.protocol == enmesh.GRPC && rpc
		if got := len(s.take("reviews v1")); (got == 0) != want {
			t.Errorf("it got %d of 12 calls, ejected: %t wanted", got, want)
		}
	})
}

// What fails on the way, such as an answer that does not come in time, counts apart from what
// was answered where splitExternalLocalOriginErrors says so, and with it where not.
func TestDestinationRule_failuresOnTheWay(t *testing.T) {
	const split = "splitExternalLocalOriginErrors: true, "
	for _, tt := range []struct {
		name, rule string
		path       string // what is held is not answered in time, the other is with 503
		want       string // why an instance is ejected; "": none is
	}{
		{"late, split", split + "consecutive5xxErrors: 0, consecutiveLocalOriginFailures: 2", "/held.A/B", "2 consecutive failures on the way there"},
		{"late, split, by default", split + "consecutive5xxErrors: 0", "/held.A/B", "5 consecutive failures on the way there"},
		{"late, split, the rule off", split + "consecutive5xxErrors: 2, consecutiveLocalOriginFailures: 0", "/held.A/B", ""},
		{"late, not split", "consecutive5xxErrors: 2", "/held.A/B", "2 consecutive 5xx"},
		{"answered, split", split + "consecutive5xxErrors: 0, consecutiveLocalOriginFailures: 2", "/a.B/Fails", ""},
		{"answered, split, both", split + "consecutive5xxErrors: 3, consecutiveLocalOriginFailures: 2", "/a.B/Fails", "3 consecutive 5xx"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStreet(t, "reviews")
			s.status = func(h heard) int {
				if h.path == "/a.B/Fails" {
					return http.StatusServiceUnavailable
				}
				return http.StatusOK
			}
			s.code = func(h heard) codes.Code {
				if h.path == "/a.B/Fails" {
					return codes.Unavailable
				}
				return codes.OK
			}
			documents := destinationRule("trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {"+tt.rule+", baseEjectionTime: 300s}}") +
				forReviews("{match: [{uri: {prefix: /held}}], timeout: 20ms, retries: {attempts: 0}, route: [{destination: {host: reviews}}]}, "+
					"{retries: {attempts: 0}, route: [{destination: {host: reviews}}]}")
			s.atPorts(t, documents, nil, func(v *visit) {
				v.connected("reviews")
				for range 21 { // seven to each
					v.say("reviews", tt.path)
				}
				if got := v.ejection(); got != tt.want {
					t.Errorf("ejected for %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// ejection is why an instance of reviews is ejected; "" while none is.
func (v *visit) ejection() string {
	v.Helper()
	for _, c := range v.explained("reviews").Destinations[0].Candidates {
		if strings.HasPrefix(c.Health, "ejected") {
			_, why, _ := strings.Cut(c.Why, ": ")
			return why
		}
	}
	return ""
}

// minHealthPercent leaves ejections aside once too few are left.
func TestDestinationRule_minHealthPercent(t *testing.T) {
	for name, threshold := range map[string]string{"without": "", "above it": ", minHealthPercent: 30", "below it": ", minHealthPercent: 50"} {
		t.Run(name, func(t *testing.T) {
			s := newStreet(t, "reviews")
			s.status = func(h heard) int {
				if h.who == "reviews v3" {
					return http.StatusOK
				}
				return http.StatusServiceUnavailable
			}
			s.code = func(h heard) codes.Code {
				if h.who == "reviews v3" {
					return codes.OK
				}
				return codes.Unavailable
			}
			rule := destinationRule("trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 300s, maxEjectionPercent: 100"+threshold+"}}") +
				forReviews("{retries: {attempts: 0}, route: [{destination: {host: reviews}}]}")
			s.atPorts(t, rule, nil, func(v *visit) {
				v.connected("reviews")
				until(t, "two of three are ejected", func() bool {
					v.say("reviews", "/a.B/C")
					n := 0
					for _, c := range v.explained("reviews").Destinations[0].Candidates {
						if strings.HasPrefix(c.Health, "ejected") {
							n++
						}
					}
					return n == 2
				})
				s.take("")
				for range 30 {
					v.say("reviews", "/a.B/C")
				}
				least, most := 0, 0
				if name == "below it" {
					least, most = 9, 11
				}
				for _, bad := range []string{"reviews v1", "reviews v2"} {
					if got := len(s.take(bad)); got < least || got > most {
						t.Errorf("%s, which is ejected, got %d of 30 calls, want %d to %d", bad, got, least, most)
					}
				}
			})
		})
	}
}

// A key that the first call gets comes back as a cookie, as the DestinationRule describes
// it, and holds; without ttl there is none.
func TestDestinationRule_generatesCookies(t *testing.T) {
	s := newStreet(t, "reviews")
	for _, tt := range []struct{ name, cookie, want string }{
		{"all of it", "name: session, path: /shop, ttl: 90s, attributes: [{name: SameSite, value: Strict}]", `^session=[0-9a-f]{16}; Max-Age=90; Path=/shop; SameSite=Strict; HttpOnly$`},
		{"of a session", "name: session, ttl: 0s", `^session=[0-9a-f]{16}; HttpOnly$`},
		{"none", "name: session, path: /shop", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rule := destinationRule("trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {" + tt.cookie + "}}}}")
			s.atPorts(t, rule, nil, func(v *visit) {
				v.connected("reviews")
				first, header, err := v.caller.ask(t, v.protocol, request{host: "reviews", target: "/a.B/C"})
				if err != nil {
					t.Fatal(err)
				}
				cookies := header.Values("Set-Cookie")
				if tt.want == "" {
					if len(cookies) != 0 {
						t.Errorf("got %q, want no cookie", cookies)
					}
					return
				}
				if len(cookies) != 1 || !regexp.MustCompile(tt.want).MatchString(cookies[0]) {
					t.Fatalf("got %q, want one that is %s", cookies, tt.want)
				}
				pair, _, _ := strings.Cut(cookies[0], ";")
				for range 10 {
					again, header, err := v.caller.ask(t, v.protocol, request{host: "reviews", target: "/a.B/C", header: []string{"cookie", pair}})
					if again != first || err != nil || len(header.Values("Set-Cookie")) != 0 {
						t.Fatalf("%q came to %q (%v), not to %q, with cookies %q", pair, again, err, first, header.Values("Set-Cookie"))
					}
				}
			})
		})
	}
}

// placed is the three instances of reviews, each in its place and with its labels, and how
// calls to them are made from eu/a.
func (s *street) placed(t *testing.T, documents string, where []discovery.Locality, labels []map[string]string, f func(v *visit)) {
	t.Helper()
	s.over(t, func(t *testing.T, protocol enmesh.Protocol, all map[string][]discovery.Endpoint) {
		set := append([]discovery.Endpoint(nil), all["reviews"]...)
		for i := range set {
			set[i].Locality = where[i]
			if labels != nil {
				set[i].Labels = labels[i]
			}
		}
		m := s.open(t, map[string][]discovery.Endpoint{"reviews": set}, documents, mesh.WithWorkload(mesh.Workload{
			Service: "productpage", Labels: map[string]string{"row": "r1", "rack": "k1"}, Locality: discovery.Locality{Region: "eu", Zone: "a"},
		}))
		f(newVisit(t, s, protocol, m))
	})
}

// Calls leave an instance that has ended for the next, in the order that policy gives them,
// and no caller notices.
func TestDestinationRule_failsOver(t *testing.T) {
	in := func(region, zone string) discovery.Locality { return discovery.Locality{Region: region, Zone: zone} }
	spread := []discovery.Locality{in("eu", "a"), in("asia", "b"), in("us", "c")}
	racks := []map[string]string{{"row": "r1", "rack": "k1"}, {"row": "r2", "rack": "k1"}, {"row": "r1", "rack": "k2"}}
	same := []discovery.Locality{in("eu", "a"), in("eu", "a"), in("eu", "a")}
	for _, tt := range []struct {
		name, setting string
		where         []discovery.Locality
		labels        []map[string]string
		second, third string
	}{
		{"to the region that is named", "localityLbSetting: {failover: [{from: eu, to: us}]}", spread, nil, "reviews v3", "reviews v2"},
		{"by labels in common", "localityLbSetting: {failoverPriority: [row, rack]}", same, racks, "reviews v3", "reviews v2"},
		{"of zones, to the region that is named", "zoneAwareLbSetting: {enabled: true, failover: [{from: eu, to: us}]}", spread, nil, "reviews v3", "reviews v2"},
		{"of zones, by labels in common", "zoneAwareLbSetting: {enabled: true, failoverPriority: [row, rack]}", same, racks, "reviews v3", "reviews v2"},
		{"by nearness", "simple: LEAST_REQUEST", []discovery.Locality{in("eu", "a"), in("us", "c"), in("eu", "b")}, nil, "reviews v3", "reviews v2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStreet(t, "reviews")
			rule := destinationRule("trafficPolicy: {loadBalancer: {" + tt.setting + "}, outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 300s, maxEjectionPercent: 100}}")
			s.placed(t, rule, tt.where, tt.labels, func(v *visit) {
				v.allGoTo("reviews v1")
				s.stops[running{"reviews v1", v.protocol}]()
				v.allGoTo(tt.second)
				s.stops[running{tt.second, v.protocol}]()
				v.allGoTo(tt.third)
			})
		})
	}
}

// allGoTo makes calls that must all be answered, and from some time on by who alone.
func (v *visit) allGoTo(who string) {
	v.Helper()
	n := 0
	until(v.T, "20 calls in a row go to "+who, func() bool {
		got := v.say("reviews", "/a.B/C")
		if !strings.HasPrefix(got, "reviews v") {
			v.Errorf("a call got %q, want an answer from anybody", got)
		}
		n++
		if !strings.HasPrefix(got, who) {
			n = 0
		}
		return n == 20
	})
}

// Zone awareness keeps as much in the own zone as it can bear for the callers that are
// there, as the registry counts them, and follows when they move.
func TestDestinationRule_zoneAware(t *testing.T) {
	s := newStreet(t, "reviews")
	in := func(zone string) discovery.Locality { return discovery.Locality{Region: "eu", Zone: zone} }
	callers := func(zones ...string) (set []discovery.Endpoint) {
		for i, zone := range zones {
			set = append(set, discovery.Endpoint{Addrs: []string{"10.0.0." + string(rune('1'+i)) + ":80"}, Locality: in(zone)})
		}
		return set
	}
	for _, tt := range []struct {
		name, setting string
		before, after float64 // share of the own zone, which has one of three instances
	}{
		{"enabled", "zoneAwareLbSetting: {enabled: true, minClusterSize: 2}", 2.0 / 3, 1},
		{"too few instances", "zoneAwareLbSetting: {enabled: true, minClusterSize: 4}", 1.0 / 3, 1.0 / 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rule := destinationRule("trafficPolicy: {loadBalancer: {" + tt.setting + ", simple: RANDOM}, outlierDetection: {consecutive5xxErrors: 5}}")
			s.over(t, func(t *testing.T, protocol enmesh.Protocol, all map[string][]discovery.Endpoint) {
				registry := discovery.NewMemory()
				set := append([]discovery.Endpoint(nil), all["reviews"]...)
				set[0].Locality, set[1].Locality, set[2].Locality = in("a"), in("b"), in("b")
				registry.Set("reviews", set...)
				registry.Set("productpage", callers("a", "b")...)
				m := s.open(t, nil, rule, mesh.WithResolver(registry), mesh.WithWorkload(mesh.Workload{Service: "productpage", Locality: in("a")}))
				v := newVisit(t, s, protocol, m)
				v.connected("reviews")
				v.ownShare(tt.before)
				registry.Set("productpage", callers("a", "b", "b", "b")...)
				v.ownShare(tt.after)
			})
		})
	}
}

// ownShare waits until Explain says that the first instance has a share, and holds calls
// against it, to 5 sigma.
func (v *visit) ownShare(want float64) {
	v.Helper()
	until(v.T, "the shares are as the callers are", func() bool {
		for _, c := range v.explained("reviews").Destinations[0].Candidates {
			if c.Labels["version"] == "v1" {
				return math.Abs(c.Share-want) < 0.001
			}
		}
		return false
	})
	const calls = 900
	v.street.take("")
	for range calls {
		v.say("reviews", "/a.B/C")
	}
	got := float64(len(v.street.take("reviews v1"))) / calls
	if math.Abs(got-want) > 5*math.Sqrt(want*(1-want)/calls) {
		v.Errorf("the own zone got %.3f of the calls, want %.3f", got, want)
	}
}

// maxRetries bounds how many calls are sent again at once; one more keeps the answer that it
// got. A retryBudget takes its place.
func TestDestinationRule_maxRetries(t *testing.T) {
	for rule, want := range map[string]int{
		"connectionPool: {http: {maxRetries: 1}}":                                                        1,
		"connectionPool: {http: {maxRetries: 2}}":                                                        2,
		"connectionPool: {http: {maxRetries: 1}}, retryBudget: {percent: 100, minRetryConcurrency: 100}": 2,
		"portLevelSettings: [{port: {number: 9081}, connectionPool: {http: {maxRetries: 1}}}]":           2, // of another port
		"portLevelSettings: [{port: {number: 9080}, connectionPool: {http: {maxRetries: 1}}}]":           1,
	} {
		t.Run(rule, func(t *testing.T) { testMaxRetries(t, rule, want) })
	}
}

// testMaxRetries has a call sent beside one that is sent again, and counts how often.
func testMaxRetries(t *testing.T, rule string, want int) {
	t.Helper()
	s := newStreet(t, "reviews")
	s.status = func(heard) int { return http.StatusServiceUnavailable }
	s.code = func(heard) codes.Code { return codes.Unavailable }
	documents := destinationRule("trafficPolicy: {"+rule+"}") +
		forReviews("{retries: {attempts: 1, retryOn: '5xx,unavailable'}, route: [{destination: {host: reviews}}]}")
	s.atPorts(t, documents, []string{"9080"}, func(v *visit) {
		s.take("")
		held := make(chan string)
		go func() { held <- v.say("reviews", "/held.A/B") }()
		until(t, "the call is there", func() bool { return len(s.take("")) == 1 })
		s.release <- struct{}{}
		until(t, "the call is sent again", func() bool { return len(s.take("")) == 1 })
		for range 3 {
			v.say("reviews", "/a.B/C")
			if got := len(s.take("")); got != want {
				t.Errorf("beside a retry a call was sent %d times, want %d", got, want)
			}
		}
		s.release <- struct{}{}
		<-held
		v.say("reviews", "/a.B/C")
		if got := len(s.take("")); got != 2 {
			t.Errorf("with no retry beside it a call was sent %d times, want 2", got)
		}
	})
}

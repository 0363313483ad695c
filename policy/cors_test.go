// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/policy"
)

// pages is a VirtualService for ratings whose one rule has these fields, in flow style.
func pages(fields string) []policy.File {
	return []policy.File{{Name: "pages.yaml", Data: []byte(
		"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: ratings}\nspec: {hosts: [ratings], http: [{" + fields + "}]}\n")}}
}

const toRatings = "route: [{destination: {host: ratings}}], "

func TestCORS_compiles(t *testing.T) {
	for _, tt := range []struct {
		fields string
		want   *route.CORS
		notes  string // of the findings, "field: verdict: message"
	}{
		{toRatings, nil, ""},
		{toRatings + "corsPolicy: {allowOrigins: [{exact: 'https://a'}, {prefix: 'https://b.'}, {regex: '.*c'}], allowMethods: [POST, '*'], " +
			"allowHeaders: [x-a, '*'], exposeHeaders: [x-b], maxAge: 24h, allowCredentials: true, unmatchedPreflights: IGNORE}",
			&route.CORS{
				Origins: []route.StringMatch{route.Exact("https://a"), route.Prefix("https://b."), route.Regex(".*c")}, Methods: []string{"POST", "*"},
				Headers: []string{"x-a", "*"}, Expose: []string{"x-b"}, MaxAge: 24 * time.Hour, Credentials: true, IgnoreUnmatched: true,
			}, ""},
		{toRatings + "corsPolicy: {allowOrigin: ['https://a', '*'], allowCredentials: false, unmatchedPreflights: FORWARD}",
			&route.CORS{Origins: []route.StringMatch{route.Exact("https://a"), route.Exact("*")}}, ""},
		{toRatings + "corsPolicy: {allowOrigin: ['*'], allowOrigins: [{exact: 'https://a'}]}",
			&route.CORS{Origins: []route.StringMatch{route.Exact("https://a")}}, "allowOrigin: ignored: allowOrigins goes before it: remove one"},
		{toRatings + "corsPolicy: {maxAge: 1s}", &route.CORS{MaxAge: time.Second},
			"corsPolicy: ignored: no origin is allowed, so that it does nothing: add allowOrigins"},
		{toRatings + "corsPolicy: {unmatchedPreflights: IGNORE}", &route.CORS{IgnoreUnmatched: true},
			"corsPolicy: warned: no origin is allowed, and every preflight is answered with no: add allowOrigins"},
		{toRatings + "corsPolicy: {allowOrigins: [{regex: '.*'}], allowCredentials: true}",
			&route.CORS{Origins: []route.StringMatch{route.Regex(".*")}, Credentials: true},
			"allowCredentials: warned: pages of every origin may read what users see who are logged in: name the origins"},
		{"redirect: {uri: /x}, corsPolicy: {allowOrigins: [{exact: 'https://a'}]}", &route.CORS{Origins: []route.StringMatch{route.Exact("https://a")}},
			"corsPolicy: ignored: the rule sends no calls on: there is nothing to do it to"},
	} {
		s, err := policy.Parse(pages(tt.fields))
		if err != nil {
			t.Errorf("%s: %v", tt.fields, err)
			continue
		}
		if got := s.Services[0].Rules[0].CORS; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.fields, got, tt.want)
		}
		var notes []string
		for _, f := range s.Notes() {
			notes = append(notes, f.Field[strings.LastIndexByte(f.Field, '.')+1:]+": "+f.Verdict.String()+": "+f.Message)
		}
		if got := strings.Join(notes, "; "); got != tt.notes {
			t.Errorf("%s:\nnotes %s\nwant  %s", tt.fields, got, tt.notes)
		}
	}
}

func TestCORS_refusesWhatIsNoMaxAge(t *testing.T) {
	for text, want := range map[string]string{
		"1500ms": "pages.yaml:4:88: VirtualService \"ratings\" (document 1): spec.http[0].corsPolicy.maxAge: 1.5s is not a whole number of seconds: round it",
		"0s":     "0s is too short", "-1s": "-1s is too short",
	} {
		if _, err := policy.Parse(pages(toRatings + "corsPolicy: {maxAge: " + text + "}")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("maxAge %s: error %v, want %q", text, err, want)
		}
	}
}

// A delegate that has no corsPolicy has that of the rule above it, and what is to be said of
// that is said where it stands.
func TestCORS_isInherited(t *testing.T) {
	const root = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings}
spec:
  hosts: [ratings]
  http:
  - corsPolicy: {allowOrigins: [{exact: "*"}], allowCredentials: true}
    delegate: {name: part}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: part}
spec:
  http:
  - match: [{uri: {prefix: /own}}]
    corsPolicy: {allowOrigins: [{exact: "https://own"}]}
    route: [{destination: {host: ratings}}]
  - route: [{destination: {host: ratings}}]
`
	s, err := policy.Parse([]policy.File{{Name: "root.yaml", Data: []byte(root)}})
	if err != nil {
		t.Fatal(err)
	}
	rules := s.Services[0].Rules
	if got := rules[0].CORS.Origins[0].Value + " " + rules[1].CORS.Origins[0].Value; got != "https://own *" {
		t.Errorf("origins %q, want the delegate's own, then those above", got)
	}
	if notes := s.Notes(); len(notes) != 1 || notes[0].Line != 7 || notes[0].Verdict != policy.Warned {
		t.Errorf("notes %v, want one of line 7", notes)
	}
}

// A rule for other callers is not for calls that a process serves, unless their caller is
// known to be one of them.
func TestRule_sourceOnServers(t *testing.T) {
	const file = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings}
spec:
  hosts: [ratings]
  http:
  - name: labels
    match: [{sourceLabels: {app: web}}]
    route: [{destination: {host: ratings}}]
  - name: namespace
    match: [{sourceNamespace: default}]
    route: [{destination: {host: ratings}}]
  - name: any
    route: [{destination: {host: ratings}}]
`
	s, err := policy.Loader{Labels: map[string]string{"app": "web"}}.Parse([]policy.File{{Name: "source.yaml", Data: []byte(file)}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range []*enmesh.Call{
		{Side: enmesh.Client}, {Side: enmesh.Server}, {Side: enmesh.Server, Source: &enmesh.Peer{}},
		{Side: enmesh.Server, Source: &enmesh.Peer{Identity: "spiffe://cluster.local/ns/default/sa/web"}},
	} {
		got = append(got, s.Services[0].Find(c).Name)
	}
	if want := []string{"labels", "any", "any", "namespace"}; !slices.Equal(got, want) {
		t.Errorf("rules %v, want %v", got, want)
	}
}

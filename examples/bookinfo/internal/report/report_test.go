// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/load"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/report"
	"github.com/enmesh-go/enmesh/telemetry/edges"
)

func frame() report.Frame {
	return report.Frame{
		URL: "http://127.0.0.1:9080/productpage", Uptime: 61500 * time.Millisecond, Window: 2 * time.Second,
		Edges: edges.Snapshot{
			{
				Name:     edges.Name{From: "productpage", To: "reviews", Version: "v2", Protocol: "http"},
				Requests: 40, Attempts: 50, Failures: 1, P50: 1500 * time.Microsecond, P99: 20 * time.Millisecond,
			},
			{Name: edges.Name{From: "reviews", To: "ratings", Version: "v1", Protocol: "grpc"}},
		},
		Load: load.Stats{Sent: 610, Failed: 2},
	}
}

func TestFrame_showsEachEdge(t *testing.T) {
	text := frame().String()
	squeezed := strings.Join(strings.Fields(text), " ")
	for _, want := range []string{
		"up 1m1s; load: 610 sent, 2 failed",
		"productpage reviews v2 http 20.0 97.5% 1.5 20.0 1.25",
		"reviews ratings v1 grpc 0.0 - - - -",
	} {
		if !strings.Contains(squeezed, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "skipped") {
		t.Errorf("tells of skipped requests although there were none:\n%s", text)
	}
}

func TestScreen_usesNoANSIButOnATerminal(t *testing.T) {
	var out bytes.Buffer
	s := report.NewScreen(&out)
	s.Show(frame())
	if got := out.String(); strings.Contains(got, "\x1b") || got != frame().String()+"\n" {
		t.Errorf("got %q, want the frame as it is", got)
	}
}

func TestSummary_isOneObject(t *testing.T) {
	var out bytes.Buffer
	if err := (report.Summary{Edges: frame().Edges}).Write(&out); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Edges        []map[string]any `json:"edges"`
		PolicyErrors []string         `json:"policy_errors"`
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.PolicyErrors == nil || len(got.PolicyErrors) != 0 {
		t.Errorf("policy_errors is %v, want an empty array", got.PolicyErrors)
	}
	if len(got.Edges) != 2 || got.Edges[0]["p50_ms"] != 1.5 || got.Edges[0]["version"] != "v2" {
		t.Errorf("edges are %v, want two, the first with p50_ms 1.5 of v2", got.Edges)
	}
}

func TestEvents_tellPolicyErrorsApart(t *testing.T) {
	var e report.Events
	log := slog.New(e.Handler()).With("mesh", "ingress")
	log.Info("policy applied", "version", "abc")
	log.Warn("policy refused", "error", errors.New("policy: routes.yaml:3: no such field\npolicy: routes.yaml:9: no such host"))
	log.Warn("registry", "error", errors.New("discovery: gone"))
	log.Debug("nothing")
	if got, want := e.Errors(), []string{"routes.yaml:3: no such field", "routes.yaml:9: no such host"}; !reflect.DeepEqual(got, want) {
		t.Errorf("errors are %q, want %q", got, want)
	}
	var texts []string
	for _, event := range e.Latest() {
		texts = append(texts, event.Text)
	}
	want := []string{
		"policy applied mesh=ingress version=abc",
		"policy refused: routes.yaml:3: no such field",
		"policy refused: routes.yaml:9: no such host",
		"registry mesh=ingress error=discovery: gone",
	}
	if !reflect.DeepEqual(texts, want) {
		t.Errorf("events are %q, want %q", texts, want)
	}
}

func TestEvents_keepTheLatest(t *testing.T) {
	var e report.Events
	for i := range 20 {
		e.Say(fmt.Sprint(i))
	}
	got := e.Latest()
	if len(got) != 6 || got[0].Text != "14" || got[5].Text != "19" {
		t.Errorf("latest are %v, want 14 to 19", got)
	}
}

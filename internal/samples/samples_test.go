// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "samples")
	if err == nil {
		err = openSystem(dir)
	}
	if err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// TestSamples makes the calls of every case.
func TestSamples(t *testing.T) {
	dir := folder(t)
	for _, s := range slices.Concat(bookinfo, endToEnd, reference, destinations) {
		t.Run(s.file, func(t *testing.T) {
			t.Parallel()
			s.run(t, dir)
		})
	}
}

// TestSamples_allHaveACase wants a case for every document that says something of HTTP or
// gRPC, and a reason for every other.
func TestSamples_allHaveACase(t *testing.T) {
	dir := folder(t)
	rules := regexp.MustCompile(`(?m)^kind: (VirtualService|DestinationRule)`)
	cased := map[string]bool{}
	for _, s := range slices.Concat(bookinfo, endToEnd, reference, destinations) {
		cased[s.file] = true
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents in %s: %v", dir, err)
	}
	n, without := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		why, excused := elsewhere[name]
		switch {
		case !rules.Match(text):
		case cased[name] && excused:
			t.Errorf("%s has a case, and a reason for none: %s", name, why)
		case cased[name]:
			n++
		case excused:
			without++
		default:
			t.Errorf("%s has no case, and no reason for that", name)
		}
	}
	t.Logf("%d files with VirtualServices or DestinationRules have a case, %d a reason for none", n, without)
}

// elsewhere is why a file has no case.
var elsewhere = map[string]string{
	"ref-vs-ratings-abort-400.yaml": "TestSamples_abortOneInAThousand makes the many calls that this takes",
	"bookinfo-gateway.yaml":         "it binds a gateway: it has no effect on calls in the mesh",
	"na-helloworld-gateway.yaml":    "it binds a gateway: it has no effect on calls in the mesh",
	"na-httpbin-gateway.yaml":       "it binds a gateway: it has no effect on calls in the mesh",
	"na-tcp-echo-20-v2.yaml":        "it is about TCP",
	"na-tcp-echo-all-v1.yaml":       "it is about TCP",
	"egress-tls-1-passthrough.yaml": "it routes TLS by its server name, which is not HTTP",
}

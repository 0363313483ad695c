// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/mesh"
)

// policies writes documents into a directory and has the mesh read them.
func (l *lab) policies(documents string) mesh.Option {
	l.t.Helper()
	dir := l.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(documents), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return mesh.WithPolicies(dir)
}

// ejects is a rule for the shop that takes an instance out after five errors in a row.
const ejects = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop}
spec:
  host: shop
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 5, interval: 1s, baseEjectionTime: 30s, maxEjectionPercent: 10}
`

// quick has the shop's instances chosen by how soon they answer.
const quick = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: shop
  annotations: {enmesh.dev/load-balancer: PEAK_EWMA}
spec:
  host: shop
`

// patient gives an attempt half a second, a call three, and sends again what timed out or
// lost its connection.
const patient = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop]
  http:
  - timeout: 3s
    retries: {attempts: 3, perTryTimeout: 500ms, retryOn: "5xx,reset,connect-failure,refused-stream,unavailable,deadline-exceeded"}
    route:
    - destination: {host: shop}
`

// replace is a rule with one of its words changed, which must be there.
func replace(t *testing.T, rule, old, by string) string {
	t.Helper()
	if !strings.Contains(rule, old) {
		t.Fatalf("the rule says nothing of %q", old)
	}
	return strings.Replace(rule, old, by, 1)
}

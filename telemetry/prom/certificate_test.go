// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/enmesh-go/enmesh/telemetry/prom"
)

func TestCertificates(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := prom.NewCertificates(func() []prom.Certificate {
		return []prom.Certificate{
			{
				Identity: "spiffe://td/ns/a/sa/web", NotBefore: now.Add(-time.Hour), NotAfter: now.Add(90 * time.Minute),
				Since: now.Add(-30 * time.Minute), Rotations: 3, Failures: 2, Failing: true,
			},
			{Failures: 1},
		}
	}, func() time.Time { return now })
	want := `
# HELP enmesh_identity_certificate_age_seconds How long ago the certificate was issued.
# TYPE enmesh_identity_certificate_age_seconds gauge
enmesh_identity_certificate_age_seconds{identity="spiffe://td/ns/a/sa/web"} 3600
# HELP enmesh_identity_certificate_errors_total Renewals of the certificate that failed.
# TYPE enmesh_identity_certificate_errors_total counter
enmesh_identity_certificate_errors_total{identity=""} 1
enmesh_identity_certificate_errors_total{identity="spiffe://td/ns/a/sa/web"} 2
# HELP enmesh_identity_certificate_failing 1 while the latest renewal of the certificate has failed.
# TYPE enmesh_identity_certificate_failing gauge
enmesh_identity_certificate_failing{identity=""} 0
enmesh_identity_certificate_failing{identity="spiffe://td/ns/a/sa/web"} 1
# HELP enmesh_identity_certificate_in_force_seconds How long ago the certificate came into force.
# TYPE enmesh_identity_certificate_in_force_seconds gauge
enmesh_identity_certificate_in_force_seconds{identity="spiffe://td/ns/a/sa/web"} 1800
# HELP enmesh_identity_certificate_rotations_total Certificates that followed the first.
# TYPE enmesh_identity_certificate_rotations_total counter
enmesh_identity_certificate_rotations_total{identity=""} 0
enmesh_identity_certificate_rotations_total{identity="spiffe://td/ns/a/sa/web"} 3
# HELP enmesh_identity_certificate_seconds_left How long the certificate is good from now on; negative when it has ended.
# TYPE enmesh_identity_certificate_seconds_left gauge
enmesh_identity_certificate_seconds_left{identity="spiffe://td/ns/a/sa/web"} 5400
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func ExampleNewCertificates() {
	certificates := prom.NewCertificates(func() []prom.Certificate {
		s := struct { // a security.Monitor's Status
			NotBefore, NotAfter, Since time.Time
		}{time.Unix(0, 0), time.Unix(3600, 0), time.Unix(0, 0)}
		return []prom.Certificate{{Identity: "spiffe://td/ns/a/sa/web", NotBefore: s.NotBefore, NotAfter: s.NotAfter, Since: s.Since}}
	}, func() time.Time { return time.Unix(600, 0) })
	fmt.Println(testutil.CollectAndCount(certificates), "metrics")
	// Output: 6 metrics
}

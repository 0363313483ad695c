// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun_movesTheSplitAndKeepsTheLastGoodPolicy(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `^the canary:
  anybody: map\[v1:(8[5-9]|9[0-4])\d v2:(1[0-4]|[5-9])\d\]
  jason: map\[v2:1000\]
all to v2:
  line 10, spec\.http\[0\]\.corsPolicy: no origin is allowed, so that it does nothing: add allowOrigins
  anybody: map\[v2:1000\]
the near one first:
  anybody: map\[v1:1000\]
the near one is gone:
  anybody: map\[v2:1000\]
a mistake:
  policy: \S+reviews\.yaml:10:\d+: VirtualService "reviews" \(document 1\): .*"v3" is not defined by any DestinationRule.*
  anybody: map\[v2:1000\]
$`
	if !regexp.MustCompile(want).MatchString(out.String()) {
		t.Errorf("got:\n%s\nwant it to match:\n%s", out.String(), want)
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun_allowsDeniesAndRotates(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out, 5*time.Second); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		`web  POST /orders             for ann +-> 201 an order for ann\n`,
		`web  POST /orders             for eve, late +-> 401 `,
		`web  GET  /orders/x/../ledger for ann +-> 403 RBAC: access denied\n`,
		`cron gRPC payments +-> PermissionDenied\n`,
		`plaintext to orders +-> no connection\n`,
		`why not cron: no ALLOW policy matches\n`,
		`\n[0-9]+ calls while the certificate of orders was renewed [1-9] times: 0 failed\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("got:\n%s\nwant it to have %q", out.String(), want)
		}
	}
}

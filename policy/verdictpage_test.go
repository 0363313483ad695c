// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// insideOthers are the messages whose fields need no line of their own on the page: the
// field that holds them has one, or none but HTTP and gRPC is spoken of.
var insideOthers = regexp.MustCompile(`^(CorsPolicy|TLSRoute|TLSMatchAttributes|TCPRoute|L4MatchAttributes|RouteDestination|PolicyTargetReference|` +
	`TrafficPolicy\.(TunnelSettings|ProxyProtocol|RetryBudget))\.`)

// TestVerdicts_areOnThePage compares the table of docs/policy.md with the verdicts: each
// field that is not plainly enforced has a line with its verdict, and no other has.
func TestVerdicts_areOnThePage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "| field | verdict | what to know |")
	if !ok {
		t.Fatal("docs/policy.md has no table of fields")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	page := map[string]string{} // "sni" or "mode: SIMPLE" to "ignored"
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, " | "); len(cells) == 3 {
			for _, name := range regexp.MustCompile("`[a-zA-Z0-9]+(: [A-Z_]+)?`").FindAllString(cells[0], -1) {
				page[strings.Trim(name, "`")] = cells[1]
			}
		}
	}
	delete(page, "tls") // says which mode is meant
	want := map[string]string{}
	for _, rows := range istioFields {
		for key, r := range rows {
			name := key[strings.LastIndexByte(key, '.')+1:]
			if r.verdict != Enforced && r.message != l4.message && !insideOthers.MatchString(key) {
				want[name] = r.verdict.String()
			}
			for value, of := range r.values {
				want[name+": "+value] = of.verdict.String()
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if page[name] != want[name] {
			t.Errorf("docs/policy.md says of %s %q, and it is %s", name, page[name], want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(page)) {
		if want[name] == "" {
			t.Errorf("docs/policy.md says of %s %q, and it is enforced, or no field", name, page[name])
		}
	}
}

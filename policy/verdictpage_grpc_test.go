// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// valuesOf are those on which the verdicts on a field depend.
var valuesOf = map[string][]string{
	"HTTPRetry.attempts":                {"5"},
	"HTTPRetry.retryOn":                 {"5xx"},
	"LoadBalancerSettings.simple":       {"ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "PASSTHROUGH"},
	"ClientTLSSettings.mode":            {"ISTIO_MUTUAL", "SIMPLE", "MUTUAL"},
	"AuthorizationPolicy.action":        {"ALLOW", "DENY", "AUDIT", "CUSTOM"},
	"Condition.key":                     {"request.auth.claims[groups]", "connection.sni", "remote.ip"},
	"PeerAuthentication.MutualTLS.mode": {"PERMISSIVE"},
}

// alone are names that say too little by themselves.
var alone = map[string]string{
	"attempts: 5": "`attempts` above 4", "retryOn: 5xx": "`retryOn` with conditions beside gRPC's codes",
	"rules": "`rules` of an AuthorizationPolicy",
}

// columns are the implementations of the page's table: of two that share a core, one.
var columns = []Enforcer{GRPCGo, GRPCJava, GRPCCpp, GRPCNode}

// line is one of the table.
type line struct {
	verdicts string // the cells of all columns
	message  string
}

// onPage are the lines, with the fields that they are about.
func onPage() map[line][]string {
	out := map[line][]string{}
	for key := range grpcFields {
		values := valuesOf[key]
		if values == nil {
			values = []string{""}
		}
		for _, value := range values {
			if l, ok := lineOf(key, value); ok {
				out[l] = append(out[l], nameOf(key, value))
			}
		}
	}
	return out
}

// lineOf is the line for a value of a field; false where all enforce it and there is nothing
// to know.
func lineOf(key, value string) (line, bool) {
	f := Finding{key: key, value: value}
	var cells, messages []string
	told, plain := map[string]bool{}, true
	for _, e := range columns {
		r, ok := grpcRowOf(&f, e)
		if !ok {
			r = row{}
		}
		cells = append(cells, r.verdict.String())
		plain = plain && r.verdict == Enforced && r.message == ""
		if r.message != "" && !told[r.message] {
			told[r.message] = true
			messages = append(messages, r.message)
		}
	}
	return line{strings.Join(cells, " | "), strings.Join(messages, "; ")}, !plain
}

// nameOf is how the page calls a value of a field, or all fields of a message.
func nameOf(key, value string) string {
	if message, ok := strings.CutSuffix(key, "."); ok {
		what := "all of"
		for other := range grpcFields {
			if rest, ok := strings.CutPrefix(other, key); ok && rest != "" && !strings.Contains(rest, ".") {
				what = "the rest of"
			}
		}
		return what + " `" + message[strings.LastIndexByte(message, '.')+1:] + "`"
	}
	name := key[strings.LastIndexByte(key, '.')+1:]
	if value != "" {
		name += ": " + value
	}
	if text, ok := alone[name]; ok {
		return text
	}
	return "`" + name + "`"
}

// tableOfGRPC is the page's table, sorted by the first field of each line.
func tableOfGRPC() string {
	var b strings.Builder
	b.WriteString("| field | Go | Java | C++, Python | Node | what to know |\n|---|---|---|---|---|---|\n")
	found := onPage()
	lines := slices.SortedFunc(maps.Keys(found), func(x, y line) int {
		slices.Sort(found[x])
		slices.Sort(found[y])
		return cmp.Or(cmp.Compare(found[x][0], found[y][0]), cmp.Compare(x.message, y.message))
	})
	for _, l := range lines {
		slices.Sort(found[l])
		_, _ = fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.Join(slices.Compact(found[l]), ", "), l.verdicts, l.message)
	}
	b.WriteString("| every field of a kind of `enmesh.dev` | ignored | ignored | ignored | ignored | gRPC has no such thing: use enmesh in the program itself |\n")
	return b.String()
}

// TestVerdictsOfGRPC_areOnThePage holds the table of docs/agent.md against the verdicts; with
// -update it writes the table.
func TestVerdictsOfGRPC_areOnThePage(t *testing.T) {
	path := filepath.Join("..", "docs", "agent.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "-update -->\n", "<!-- end -->"
	head, rest, ok := strings.Cut(string(text), begin)
	got, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no table between %q and %q", path, begin, end)
	}
	want := "\n" + tableOfGRPC() + "\n"
	if got == want {
		return
	}
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s says\n%s\nand the verdicts are (-update writes them)\n%s", path, got, want)
}

// What C++ does, Python does: the page has one column for both.
func TestVerdictsOfGRPC_pythonIsCpp(t *testing.T) {
	for key := range grpcFields {
		for _, value := range append(valuesOf[key], "") {
			f := Finding{key: key, value: value}
			cpp, _ := grpcRowOf(&f, GRPCCpp)
			python, _ := grpcRowOf(&f, GRPCPython)
			if cpp.verdict != python.verdict || cpp.message != python.message {
				t.Errorf("%s %s: %v for C++, %v for Python", key, value, cpp.verdict, python.verdict)
			}
		}
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/mesh"
)

const viewer = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: viewer, namespace: shop}
spec:
  selector: {matchLabels: {app: reviews}}
  rules:
  - from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]
    to: [{operation: {methods: [GET]}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {}
`

// ask runs the command in a folder with the file viewer.yaml.
func ask(t *testing.T, text string, args ...string) (code int, out, messages string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "viewer.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	var o, m strings.Builder
	code = run(t.Context(), args, &o, &m)
	return code, o.String(), m.String()
}

func TestEnmesh(t *testing.T) {
	explain := func(more ...string) []string {
		return append([]string{"explain", "authz", "-policies", ".", "-namespace", "shop", "-label", "app=reviews"}, more...)
	}
	for name, tt := range map[string]struct {
		text     string
		args     []string
		code     int
		out      string // a part
		messages string // a part
	}{
		"nothing":   {viewer, nil, 2, "", "enmesh check"},
		"help":      {viewer, []string{"--help"}, 0, "enmesh explain authz", ""},
		"no such":   {viewer, []string{"chekc"}, 2, "", `no such command "chekc"`},
		"half":      {viewer, []string{"explain"}, 2, "", `no such command "explain"`},
		"check":     {viewer, []string{"check", "."}, 0, "2 documents, no mistakes; 2 fields not enforced as written, 0 warnings\n", ""},
		"its notes": {viewer, []string{"check", "-namespace", "shop", "-label", "app=reviews", "viewer.yaml"}, 0, "viewer.yaml:10:1: Gateway \"edge\" (document 2): ignored: kind Gateway is not enforced yet: the document has no effect\n2 documents, no mistakes; 1 fields", ""},
		"all":       {viewer, []string{"check", "-all", "-namespace", "shop", "-label", "app=reviews", "."}, 0, "spec.rules[0].from[0].source.principals: enforced", ""},
		"quiet":     {viewer, []string{"check", "-quiet", "."}, 0, "", ""},
		"its help":  {viewer, []string{"check", "-help"}, 0, "", "usage: enmesh check [flags] FILE_OR_FOLDER..."},
		"a target":  {viewer, []string{"check", "-target", "grpc-node", "-namespace", "shop", "-label", "app=reviews", "."}, 0, "grpc-node: viewer.yaml:6:3: AuthorizationPolicy \"viewer\" (document 1): spec.rules: rejected: servers on Node refuse rules", ""},
		"targets":   {viewer, []string{"check", "-target", "grpc-go", "-target", "embedded", "."}, 0, "embedded: 2 documents, no mistakes", ""},
		"no target": {viewer, []string{"check", "-target", "grpc-perl", "."}, 2, "", "\"grpc-perl\" is none of embedded, grpc-go, grpc-java, grpc-cpp, grpc-python, grpc-node"},
		"agent?":    {viewer, []string{"agent", "stauts"}, 2, "", "what is \"stauts\"? enmesh agent -help lists the flags"},
		"no files":  {viewer, []string{"check"}, 2, "", "which files?"},
		"a mistake": {strings.Replace(viewer, "methods", "mehtods", 1), []string{"check", "."}, 1, "", "policy: viewer.yaml:8:23: AuthorizationPolicy \"viewer\" (document 1): spec.rules[0].to[0].operation.mehtods: no such field in Operation: did you mean methods?"},
		"a label":   {viewer, []string{"check", "-label", "app", "."}, 2, "", `"app" is not key=value`},

		"allowed":       {viewer, explain("-principal", "cluster.local/ns/shop/sa/web"), 0, "allowed: an ALLOW policy matches\n  ALLOW shop/viewer rules[0] (viewer.yaml:7)\nmTLS: PERMISSIVE (by default)\n", ""},
		"denied":        {viewer, explain("-principal", "cluster.local/ns/shop/sa/web", "-method", "POST"), 1, "not by ALLOW shop/viewer rules[0] (viewer.yaml:7): to[0].methods is none of \"GET\"", ""},
		"for others":    {viewer, []string{"explain", "authz", "-policies", "viewer.yaml"}, 0, "allowed: no ALLOW policy is there", ""},
		"the question":  {viewer, explain("-path", "x"), 2, "", "path \"x\" does not begin with a slash"},
		"no policies":   {viewer, []string{"explain", "authz"}, 2, "", "which policies"},
		"explains help": {viewer, []string{"explain", "authz", "--help"}, 0, "", "-principal spiffe-id"},
		"of a mistake":  {strings.Replace(viewer, "methods", "mehtods", 1), explain(), 2, "", "did you mean methods?"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, messages := ask(t, tt.text, tt.args...)
			if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(messages, tt.messages) || tt.out == "" && out != "" || tt.messages == "" && messages != "" {
				t.Errorf("got %d\n%s\n%s\nwant %d, %q and %q", code, out, messages, tt.code, tt.out, tt.messages)
			}
		})
	}
	code, out, messages := ask(t, viewer, explain("-json", "-header", "a:b", "-user", "iss/ann", "-claim", "n=1", "-claim", "m=x")...)
	var x mesh.AuthzExplanation
	if err := json.Unmarshal([]byte(out), &x); code != 1 || err != nil || x.Allowed || !strings.HasSuffix(x.Caller, "for iss/ann") {
		t.Errorf("got %d, %+v, %v, %s", code, x, err, messages)
	}
}

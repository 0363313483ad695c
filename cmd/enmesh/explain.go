// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/url"

	"github.com/enmesh-go/enmesh/mesh"
)

const authzText = `explain authz says whether policy files allow a call to a process, by which
policy and rule, in which file and line, and why the rules that are nearest do not
match. It asks nobody: providers of CUSTOM policies are taken to allow the call. A
running mesh answers the same at /explain/authz (see mesh.WithStatus).`

// questions are the flags that describe the call, with their help.
var questions = []struct {
	name, help string
	several    bool
}{
	{"protocol", "`protocol` of the call, http or grpc (default http)", false},
	{"method", "`method` of the call (default GET; POST for gRPC)", false},
	{"path", "`path` of the call, decoded and without its query; /package.Service/Method for gRPC (default /)", false},
	{"authority", "`host` that is asked for, as the header Host or :authority has it", false},
	{"header", "header of the call, `name:value`; may be given several times", true},
	{"principal", "identity of the calling workload, `spiffe-id`; without it the caller comes in plaintext", false},
	{"source", "`address` of the caller (default 127.0.0.1)", false},
	{"port", "`port` of the process that the call comes in at", false},
	{"sni", "server `name` that the caller's TLS sends", false},
	{"user", "end user, `issuer/subject`, as a valid token says", false},
	{"claim", "claim of the end user's token, `name=value`, where JSON is read as such; may be given several times", true},
}

// explainAuthz is "enmesh explain authz".
func explainAuthz(ctx context.Context, args []string, out, messages io.Writer) int {
	set := flags("explain authz", "-policies FILE_OR_FOLDER [flags]", authzText, messages)
	var of workload
	of.flags(set)
	var paths words
	set.Var(&paths, "policies", "policy `file` or folder; may be given several times")
	domain := set.String("trust-domain", "cluster.local", "trust `domain` of the process")
	asJSON := set.Bool("json", false, "print JSON")
	values := url.Values{}
	for _, q := range questions {
		set.Func(q.name, q.help, func(text string) error {
			if !q.several {
				values.Del(q.name)
			}
			values.Add(q.name, text)
			return nil
		})
	}
	if code, done := parse(set, args); done {
		return code
	}
	if len(paths) == 0 || set.NArg() > 0 {
		say(messages, "enmesh: explain authz: which policies, and nothing else? write enmesh explain authz -policies FILE_OR_FOLDER [flags]\n")
		return exitUsage
	}
	return answer(ctx, &of, paths, *domain, values, *asJSON, out, messages)
}

// answer loads the files and asks them.
func answer(ctx context.Context, of *workload, paths []string, domain string, values url.Values, asJSON bool, out, messages io.Writer) int {
	s, err := of.loader().Load(paths...)
	if err != nil {
		say(messages, "%v\n", err)
		return exitUsage
	}
	q, err := mesh.AuthzQueryOf(values)
	var x mesh.AuthzExplanation
	if err == nil {
		x, err = mesh.ExplainAuthz(ctx, s, domain, q)
	}
	if err != nil {
		say(messages, "enmesh: %v\n", err)
		return exitUsage
	}
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(x); err != nil {
			say(messages, "enmesh: %v\n", err)
			return exitUsage
		}
	} else {
		_ = x.WriteText(out) // who reads may be gone
	}
	if !x.Allowed {
		return exitNo
	}
	return exitWell
}

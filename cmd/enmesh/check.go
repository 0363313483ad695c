// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"strings"

	"github.com/enmesh-go/enmesh/policy"
)

const checkText = `check reads policy files, and folders of them, as a process does that is
started with them. It prints every mistake with its file, line, field and fix; a load
with one is refused as a whole. Else it prints what is not enforced as Istio documents
it, or was probably not meant. Which documents are for a process depends on its
namespace and labels.

With -target it says what an agent makes of the policy for programs on plain gRPC (see
enmesh agent): not all that this module enforces is for them, and it differs by language.

  enmesh check -target grpc-java -target grpc-node policies/`

// check is "enmesh check".
func check(_ context.Context, args []string, out, messages io.Writer) int {
	set := flags("check", "[flags] FILE_OR_FOLDER...", checkText, messages)
	var of workload
	of.flags(set)
	all := set.Bool("all", false, "print what is enforced too, field by field")
	quiet := set.Bool("quiet", false, "print mistakes only")
	var on targets
	set.Var(&on, "target", "what enforces the policy, `name`: "+strings.Join(targetNames(), ", ")+" (default embedded); may be given several times")
	if code, done := parse(set, args); done {
		return code
	}
	if set.NArg() == 0 {
		say(messages, "enmesh: check: which files? write enmesh check FILE_OR_FOLDER...\n")
		return exitUsage
	}
	s, err := of.loader().Load(set.Args()...)
	if err != nil {
		say(messages, "%v\n", err)
		return exitNo
	}
	if *quiet {
		return exitWell
	}
	for _, e := range on.orEmbedded() {
		report(out, s, e, *all, len(on) > 0)
	}
	return exitWell
}

// report prints the verdicts of one enforcer, by its name if it was asked for.
func report(out io.Writer, s *policy.Snapshot, e policy.Enforcer, all, named bool) {
	prefix := ""
	if named {
		prefix = e.String() + ": "
	}
	counts := map[policy.Verdict]int{}
	for _, f := range s.FindingsFor(e) {
		counts[f.Verdict]++
		if all || f.Verdict != policy.Enforced {
			say(out, "%s%s\n", prefix, f)
		}
	}
	say(out, "%s%d documents, no mistakes; %d fields not enforced as written, %d warnings\n", prefix, len(s.Documents),
		counts[policy.Approximated]+counts[policy.Ignored]+counts[policy.Rejected], counts[policy.Warned])
}

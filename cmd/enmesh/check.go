// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"

	"github.com/enmesh-go/enmesh/policy"
)

const checkText = `check reads policy files, and folders of them, as a process does that is
started with them. It prints every mistake with its file, line, field and fix; a load
with one is refused as a whole. Else it prints what is not enforced as Istio documents
it, or was probably not meant. Which documents are for a process depends on its
namespace and labels.`

// check is "enmesh check".
func check(_ context.Context, args []string, out, messages io.Writer) int {
	set := flags("check", "[flags] FILE_OR_FOLDER...", checkText, messages)
	var of workload
	of.flags(set)
	all := set.Bool("all", false, "print what is enforced too, field by field")
	quiet := set.Bool("quiet", false, "print mistakes only")
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
	found := s.Notes()
	if *all {
		found = s.Findings
	}
	if *quiet {
		found = nil
	}
	counts := map[policy.Verdict]int{}
	for _, f := range found {
		counts[f.Verdict]++
		say(out, "%s\n", f)
	}
	if !*quiet {
		say(out, "%d documents, no mistakes; %d fields not enforced as written, %d warnings\n", len(s.Documents),
			counts[policy.Approximated]+counts[policy.Ignored]+counts[policy.Rejected], counts[policy.Warned])
	}
	return exitWell
}

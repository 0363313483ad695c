// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"

	"github.com/enmesh-go/enmesh/policy"
)

// Note is something about a resource that its reader could not guess: what was
// approximated, left out or refused when it was made. Verdicts on fields, which need no
// node, are [policy.Snapshot.FindingsFor].
type Note struct {
	Client   policy.Enforcer // whose resource it is
	Verdict  policy.Verdict  // Approximated, Ignored or Rejected
	Resource string          // its name
	Origin   string          // file:line; "": of no document
	Message  string
}

// String is `policies/a.yaml:7: grpc-go: approximated: reviews:9080: …`.
func (n Note) String() string {
	s := n.Client.String() + ": " + n.Verdict.String() + ": " + n.Resource + ": " + n.Message
	if n.Origin != "" {
		s = n.Origin + ": " + s
	}
	return s
}

func (n Note) compare(o Note) int {
	return cmp.Or(cmp.Compare(n.Origin, o.Origin), cmp.Compare(n.Resource, o.Resource), cmp.Compare(n.Client, o.Client),
		cmp.Compare(n.Verdict, o.Verdict), cmp.Compare(n.Message, o.Message))
}

// notes are those of one resource that is being made.
type notes struct {
	client   policy.Enforcer
	resource string
	list     []Note
}

func (n *notes) add(v policy.Verdict, origin, message string) {
	n.list = append(n.list, Note{n.client, v, n.resource, origin, message})
}

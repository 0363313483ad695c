// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
)

// FindingsFor is the findings with the verdicts of an enforcer: those of [Embedded] are
// s.Findings. Of gRPC's implementations, which an agent drives over xDS, it is what their
// clients and servers do with what the agent makes of a field.
//
// Source: gRFCs A27 to A96 and the code of grpc-go 1.85, grpc-js-xds 1.14 and C-core 1.51.
func (s *Snapshot) FindingsFor(e Enforcer) []Finding {
	if e == Embedded {
		return s.Findings
	}
	wholes := s.wholesFor(e)
	out := make([]Finding, 0, len(s.Findings))
	for _, f := range s.Findings {
		if w := wholeOf(wholes, f); w != nil {
			if !w.told {
				w.told = true
				out = append(out, w.Finding)
			}
			continue
		}
		if r, ok := grpcRowOf(&f, e); ok && (r.verdict != Enforced || f.Verdict == Enforced) {
			f.Verdict, f.Message = r.verdict, r.message
		}
		out = append(out, f)
	}
	return out
}

// whole is a verdict on a field that says all of its parts.
type whole struct {
	Finding
	told bool
}

// inDocument names a document of a load.
type inDocument struct {
	file       string
	document   int
	kind, name string
}

func documentOf(f *Finding) inDocument { return inDocument{f.File, f.Document, f.Kind, f.Name} }

func (s *Snapshot) wholesFor(e Enforcer) map[inDocument][]*whole {
	out := map[inDocument][]*whole{}
	for _, f := range s.wholes {
		if r, ok := grpcRowOf(&f, e); ok && r.verdict != Enforced {
			f.Verdict, f.Message = r.verdict, r.message
			out[documentOf(&f)] = append(out[documentOf(&f)], &whole{Finding: f})
		}
	}
	return out
}

// wholeOf is the whole that a finding is on a part of, or nil.
func wholeOf(wholes map[inDocument][]*whole, f Finding) *whole {
	for _, w := range wholes[documentOf(&f)] {
		if within(f.Field, w.Field) {
			return w
		}
	}
	return nil
}

// onGRPC is a verdict on a field for some of gRPC's implementations.
type onGRPC struct {
	only  []Enforcer // nil: all of them
	value func(string) bool
	row
}

// grpcRowOf is the row for a finding, if there is one.
func grpcRowOf(f *Finding, e Enforcer) (row, bool) {
	if ownKinds[f.Kind] != nil && f.Field != "" {
		return not("gRPC has no such thing: use enmesh in the program itself"), true
	}
	if f.Field == annotationPath(loadBalancerAnnotation) {
		return annotatedRow(f, e), true
	}
	if f.Field == annotationPath(strictRetriesAnnotation) && f.value == "true" {
		return row{verdict: Approximated, message: "gRPC does not know which calls are idempotent: it makes only the retries of what provably did not reach the application"}, true
	}
	if f.Field == annotationPath(shadowAnnotation) && f.value == "true" {
		return row{verdict: Approximated, message: "timeouts, retries and faults of the document are not sent to gRPC, and nobody counts"}, true
	}
	message := f.key[:strings.LastIndexByte(f.key, '.')+1]
	for _, key := range [...]string{f.key, message} {
		for _, r := range grpcFields[key] {
			if (r.only == nil || slices.Contains(r.only, e)) && (r.value == nil || r.value(f.value)) {
				return r.row, true
			}
		}
	}
	return row{}, false
}

// annotatedRow is the row for the annotation that names a load balancer. Node's client has
// both, of version 1.14, but behind a variable of its environment.
func annotatedRow(f *Finding, e Enforcer) row {
	first := f.value == pickFirst
	switch {
	case first && e == GRPCNode:
		return row{verdict: Approximated, message: "with GRPC_EXPERIMENTAL_PICKFIRST_LB_CONFIG=true each channel stays with one instance, else instances are chosen in turn"}
	case first:
		f.Verdict = Enforced
		return row{message: "each channel stays with one instance"}
	case e == GRPCNode:
		return row{verdict: Approximated, message: "with GRPC_EXPERIMENTAL_XDS_WRR_LB=true instances are weighted by the load that they report (ORCA), else they are chosen in turn"}
	}
	return weightedByReports
}

// is holds for one of the values.
func is(values ...string) func(string) bool {
	return func(v string) bool { return slices.Contains(values, v) }
}

// begins holds for values that begin so.
func begins(prefixes ...string) func(string) bool {
	return func(v string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(v, p) })
	}
}

// beyondCodes holds for a retryOn with conditions that gRPC does not know.
func beyondCodes(v string) bool {
	for word := range strings.SplitSeq(v, ",") {
		if word = strings.TrimSpace(word); word != "" && !grpcCodes[word] {
			return true
		}
	}
	return v == ""
}

var grpcCodes = map[string]bool{
	"cancelled": true, "deadline-exceeded": true, "internal": true, "resource-exhausted": true, "unavailable": true,
}

// manyAttempts holds for a number of retries above gRPC's bound.
func manyAttempts(v string) bool { return len(v) > 1 || v > "4" }

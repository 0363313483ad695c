// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command smoke reads what "go run ./examples/bookinfo -json" printed from its standard
// input and fails unless it shows a mesh at work: at least one edge, calls on it, no
// call failed, no policy refused. "make smoke" runs the two together.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// summary is the part of the example's JSON object that is looked at.
type summary struct {
	Edges        []edge          `json:"edges"`
	PolicyErrors json.RawMessage `json:"policy_errors"` // null, 0 or empty when there are none
}

type edge struct {
	From     string           `json:"from"`
	To       string           `json:"to"`
	Version  string           `json:"version"`
	Protocol string           `json:"protocol"`
	Requests int64            `json:"requests"`
	Attempts int64            `json:"attempts"`
	Failures int64            `json:"failures"`
	Codes    map[string]int64 `json:"codes"`
}

func main() {
	s, err := read(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "smoke:", err)
		os.Exit(1)
	}
	problems := s.problems()
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, "smoke:", problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
	fmt.Printf("smoke: %d edges, %d requests, no failure\n", len(s.Edges), s.requests())
}

// read decodes exactly one JSON object.
func read(r io.Reader) (*summary, error) {
	dec := json.NewDecoder(r)
	s := new(summary)
	if err := dec.Decode(s); err != nil {
		return nil, fmt.Errorf("not the example's JSON object: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one JSON object")
	}
	return s, nil
}

// requests counts the calls on all edges.
func (s *summary) requests() int64 {
	var n int64
	for i := range s.Edges {
		n += s.Edges[i].Requests
	}
	return n
}

// problems says what speaks against a mesh at work.
func (s *summary) problems() []string {
	var problems []string
	switch {
	case len(s.Edges) == 0:
		problems = append(problems, "no edges")
	case s.requests() == 0:
		problems = append(problems, "no requests on any edge")
	}
	for i := range s.Edges {
		e := &s.Edges[i]
		name := fmt.Sprintf("edge %s -> %s %s over %s", e.From, e.To, e.Version, e.Protocol)
		if e.From == "" || e.To == "" {
			problems = append(problems, name+": an end has no name")
		}
		if e.Failures > 0 {
			problems = append(problems, fmt.Sprintf("%s: %d of %d requests failed, codes %v", name, e.Failures, e.Requests, e.Codes))
		}
		if e.Attempts < e.Requests {
			problems = append(problems, fmt.Sprintf("%s: %d attempts for %d requests", name, e.Attempts, e.Requests))
		}
	}
	switch string(s.PolicyErrors) {
	case "", "null", "0", "[]", "{}", `""`:
	default:
		problems = append(problems, "policy errors: "+string(s.PolicyErrors))
	}
	return problems
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/enmesh-go/enmesh/telemetry/edges"
)

// Summary is what is told at the end.
type Summary struct {
	Edges        edges.Snapshot `json:"edges"`
	PolicyErrors []string       `json:"policy_errors"`
}

// Write writes s as one JSON object.
func (s Summary) Write(w io.Writer) error {
	if s.Edges == nil {
		s.Edges = edges.Snapshot{}
	}
	if s.PolicyErrors == nil {
		s.PolicyErrors = []string{}
	}
	body, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("report: summary: %w", err)
	}
	if _, err := w.Write(append(body, '\n')); err != nil {
		return fmt.Errorf("report: summary: %w", err)
	}
	return nil
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/edges"
)

// outbound counts an edge where it begins, so that each call is counted once although
// both its ends are in this process.
type outbound struct{ table *edges.Table }

// Calls observes calls out.
func (o outbound) Calls(s telemetry.Scope) telemetry.Observer {
	if s.Side != enmesh.Client {
		return nil
	}
	return o.table.Calls(s)
}

// Attempts observes attempts out.
func (o outbound) Attempts(s telemetry.Scope) telemetry.Observer {
	if s.Side != enmesh.Client {
		return nil
	}
	return o.table.Attempts(s)
}

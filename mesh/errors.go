// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"errors"

	"github.com/enmesh-go/enmesh"
)

// ErrNoRoute is the cause of a refusal with flag NR: the host has rules, and none
// of them matches the call.
var ErrNoRoute = errors.New("no route matches the call")

// errTableClosed is what becomes of routes that would have to be made after the end.
var errTableClosed = &enmesh.Error{
	Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Unsent: true, Policy: "mesh", Err: errors.New("the mesh is closed"),
}

// errNoRoute answers such a call.
var errNoRoute = &enmesh.Error{
	Code: enmesh.GRPCCodeOfStatus(404), Outcome: enmesh.Neutral, Unsent: true, Status: 404,
	Flag: enmesh.FlagNoRoute, Policy: "mesh", Err: ErrNoRoute,
}

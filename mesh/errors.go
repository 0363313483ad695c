// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"errors"

	"github.com/enmesh-go/enmesh"
)

// ErrNoRoute is the cause of a refusal with flag NR: the host has rules, and none
// of them matches the call.
var ErrNoRoute = errors.New("no route matches the call")

// noRoute is the route of such a call. Its chain refuses.
var noRoute = &enmesh.Route{Name: "no route", Next: func(context.Context, *enmesh.Call) error { return errNoRoute }}

// refusing is a host all of whose calls end with err.
func refusing(err error) *builtHost {
	e := enmesh.ErrorOf(err)
	if e == nil {
		e = &enmesh.Error{Code: enmesh.Internal, Outcome: enmesh.Neutral, Unsent: true, Status: 500, Policy: "mesh", Err: err}
	}
	r := &enmesh.Route{Name: "refused", Next: func(context.Context, *enmesh.Call) error { return e }}
	return &builtHost{rules: []builtRule{{routes: []*enmesh.Route{r}}}}
}

// errorsJoin is errors.Join, which keeps a lone error as it is.
func errorsJoin(err, more error) error {
	if more == nil {
		return err
	}
	return errors.Join(err, more)
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"context"
	"errors"
	"fmt"

	"github.com/enmesh-go/enmesh"
)

// Rewrite changes where in the service a call goes (Istio's HTTPRewrite). The zero
// Rewrite changes nothing.
//
// It works on the decoded path, without the query, which stays; in gRPC that is
// "/package.Service/Method". A path that comes out without a slash in front gets one.
type Rewrite struct {
	// URI takes the place of the prefix that the Match names, of the whole path where
	// the Match is exact or an expression, and of the first "/" where it says nothing
	// about the path.
	URI string
	// Regex, instead of URI, is an RE2 expression of at most 1024 bytes; each part of
	// the path that it matches is replaced by Substitution, in which \1 to \9 are the
	// expression's groups, \0 is all that matched, and \\ is a backslash.
	Regex, Substitution string
	// Authority takes the place of the Host or :authority.
	Authority string
}

// errTwoPaths refuses a Rewrite that says two things.
var errTwoPaths = errors.New("route: rewrite: URI and Regex exclude one another")

// Middleware makes the rewrite of calls that m, a compiled Match or nil, takes. It is
// nil where there is nothing to do. It stands above a retry and is done once; it fails
// on an expression or a substitution that means nothing.
func (r Rewrite) Middleware(m *Match) (enmesh.Middleware, error) {
	edit, err := r.path(m)
	if err != nil {
		return nil, err
	}
	if edit == nil && r.Authority == "" {
		return nil, nil
	}
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if edit != nil {
				c.Path = edit(c.Path)
			}
			if r.Authority != "" {
				c.Authority = r.Authority
			}
			return next(ctx, c)
		}
	}, nil
}

// path is what becomes of the path; nil: nothing.
func (r Rewrite) path(m *Match) (pathEdit, error) {
	switch {
	case r.URI != "" && r.Regex != "":
		return nil, errTwoPaths
	case r.URI != "":
		return replacing(m, unescapedPath(r.URI)), nil
	case r.Regex == "":
		return nil, nil
	}
	edit, err := substituting(r.Regex, r.Substitution)
	if err != nil {
		return nil, fmt.Errorf("route: rewrite: %w", err)
	}
	return edit, nil
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"net/url"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/rawpath"
)

// rewritten is a copy of u with the call's path and query.
func rewritten(u *url.URL, c *enmesh.Call) *url.URL {
	out := *u
	rewrite(&out, c)
	return &out
}

// rewrite gives u, a copy, the call's path and query where a policy changed them. A
// path that was not changed keeps its encoding, and so does the end of one that was.
func rewrite(u *url.URL, c *enmesh.Call) {
	if c.Path != u.Path && (c.Path != "/" || u.Path != "") {
		u.Path, u.RawPath, u.Opaque = c.Path, rawpath.Keep(u.Path, u.RawPath, c.Path), ""
	}
	u.RawQuery = c.Query
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package rawpath keeps how a caller has written a path, where policy changes a part
// of it.
//
// Policy compares and edits decoded paths, in which "/a%2Fb" is "/a/b". What it leaves
// alone must go on as it was written, or a name with a slash in it becomes two:
//
//	rawpath.Keep("/old/a/b", "/old/a%2Fb", "/new/a/b") // "/new/a%2Fb"
package rawpath

import "net/url"

// Keep is how to write the path to, which came of path, which was written raw: the end
// that both have in common stays as it was written. It is "" where the plain way of
// writing to, as url.URL.EscapedPath has it, is meant: when raw is "".
func Keep(path, raw, to string) string {
	if raw == "" {
		return ""
	}
	if path == to {
		return raw
	}
	i, j, end := len(path), len(to), len(raw)
	for i > 0 && j > 0 && path[i-1] == to[j-1] {
		switch {
		case end >= 3 && raw[end-3] == '%':
			end -= 3
		case end >= 1:
			end--
		default:
			return "" // raw is of another path
		}
		i, j = i-1, j-1
	}
	return (&url.URL{Path: to[:j]}).EscapedPath() + raw[end:]
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/enmesh-go/enmesh/internal/urlpath"
)

// StripPrefix is http.StripPrefix for whole segments: "/api" is taken off "/api/admin" and
// of "/api", which becomes "/", and a request for "/api./admin" or "/apiadmin" is not found.
// What is left is brought into the form of [PathStrict] once more, and refused with 400
// where that fails, so that nothing comes to light that was not a path before; URL and
// RequestURI say the same. The request that came is not changed.
func StripPrefix(prefix string, h http.Handler) http.Handler {
	prefix = "/" + strings.Trim(prefix, "/")
	if prefix == "/" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, raw, why := urlpath.Rules{Parameters: true, Backslash: true}.Clean(r.URL.Path, r.URL.RawPath)
		if why != urlpath.OK {
			writeRefusal(w, errPaths[why], nil)
			return
		}
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok || rest != "" && rest[0] != '/' {
			http.NotFound(w, r)
			return
		}
		if rest == "" {
			rest = "/"
		}
		if raw != "" {
			_, raw, why = urlpath.Rules{Parameters: true, Backslash: true}.Clean(rest, "")
		}
		if why != urlpath.OK {
			writeRefusal(w, errPaths[why], nil)
			return
		}
		out := new(http.Request)
		*out = *r
		out.URL = &url.URL{Path: rest, RawPath: raw, RawQuery: r.URL.RawQuery, ForceQuery: r.URL.ForceQuery}
		out.RequestURI = out.URL.RequestURI()
		h.ServeHTTP(w, out)
	})
}

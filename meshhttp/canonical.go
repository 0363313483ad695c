// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/urlhost"
	"github.com/enmesh-go/enmesh/internal/urlpath"
)

// PathNormalization says in which form a server takes the paths that it is asked for. All
// but the first are those of Istio's meshConfig.pathNormalization.
type PathNormalization uint8

// How paths are normalized. Whatever is chosen, the path that policies compare,
// Call.Path, is the one that the handler finds in its request's URL.Path.
const (
	// PathStrict, the default, resolves dot segments, merges slashes and decodes escapes
	// once. What two readers could take for two paths is refused with 400: escaped slashes,
	// backslashes, ";" (see [AllowPathParameters]), control characters, a raw "#", bytes
	// that are not UTF-8, a "%" that is followed by two hexadecimal digits once it is
	// decoded, and an empty segment that ".." would remove.
	PathStrict PathNormalization = iota
	// PathNone leaves paths as they come, for handlers that check by themselves: dot
	// segments and slashes are then compared by policies as they are written: a policy for
	// "/admin" is not about "//admin". NUL and a raw "#" are refused all the same.
	PathNone
	// PathBase resolves dot segments as RFC 3986 has it, and reads a backslash as a slash.
	// An escaped slash stays one in URL.RawPath, which ServeMux matches; in Call.Path and
	// URL.Path it is a slash, and refused where that would hide a dot segment or an empty
	// one. An escaped backslash is refused. Slashes that follow each other stay: a policy for
	// "/admin" is not about "//admin", which a handler may take for the same.
	PathBase
	// PathMergeSlashes is PathBase, and slashes that follow each other become one.
	PathMergeSlashes
	// PathDecodeAndMergeSlashes is PathMergeSlashes, after escaped slashes and backslashes
	// were decoded.
	PathDecodeAndMergeSlashes
)

// levels are the same for package urlpath.
var levels = map[PathNormalization]urlpath.Level{
	PathStrict: urlpath.Strict, PathNone: urlpath.None, PathBase: urlpath.Base,
	PathMergeSlashes: urlpath.MergeSlashes, PathDecodeAndMergeSlashes: urlpath.DecodeAndMergeSlashes,
}

// WithPathNormalization chooses the form of paths. The default is [PathStrict]; what is not
// one of the constants is that too.
func WithPathNormalization(n PathNormalization) ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.rules.Level = levels[n] })
}

// AllowPathParameters lets [PathStrict] take ";" for a byte of a name. A handler that takes
// parameters off, as Tomcat does, then serves "/admin;x" as "/admin", which is not what
// policies have compared.
func AllowPathParameters() ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.rules.Parameters = true })
}

// AllowBackslashes lets [PathStrict] take a backslash for a byte of a name. A handler that
// opens files by such a name on Windows opens others than policies have compared.
func AllowBackslashes() ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.rules.Backslash = true })
}

// FoldPathCase makes paths lower case, for policies and for the handler: for handlers that
// do not tell "/Admin" from "/admin". Paths must be UTF-8 then, and a letter beyond ASCII
// that some ways of folding make an ASCII letter of is refused. Policies and patterns must
// be written in lower case. The default is to tell them apart.
func FoldPathCase() ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.rules.Fold = true })
}

// view is what a request asks for, in the one form that policies and the handler see.
type view struct {
	url  *url.URL // the server's own, where it is in that form
	uri  string
	host string
}

// look brings what r asks for into one form, or says why it is refused. r stays as it is.
func (h *Handler) look(r *http.Request) (view, *enmesh.Error) {
	if e := h.refusedMethod(r); e != nil {
		return view{}, e
	}
	host, ok := urlhost.Clean(r.Host)
	if !ok {
		return view{}, errHost
	}
	v := view{url: r.URL, uri: r.RequestURI, host: host}
	if e := v.cleanPath(h.cfg.rules, r.Method); e != nil {
		return view{}, e
	}
	if r.TLS != nil && h.misdirected(r, host) {
		return view{}, errMisdirected
	}
	return v, nil
}

// cleanPath gives v a URL in its one form; one of its own, if it has to differ.
func (v *view) cleanPath(rules urlpath.Rules, method string) *enmesh.Error {
	u := v.url
	if method == http.MethodConnect && u.Path == "" {
		return nil // it asks for a host
	}
	if u.Opaque != "" || u.User != nil || strings.IndexByte(u.RawQuery, '#') >= 0 {
		return errTarget
	}
	absolute := u.Host != "" || u.Scheme != ""
	if absolute && u.Scheme != "http" && u.Scheme != "https" {
		return errTarget
	}
	path := u.Path
	if path == "" && absolute {
		path = "/"
	}
	clean, raw, why := rules.Clean(path, u.RawPath)
	if why != urlpath.OK {
		return errPaths[why]
	}
	if absolute || clean != u.Path || raw != u.RawPath {
		v.url = &url.URL{Path: clean, RawPath: raw, RawQuery: u.RawQuery, ForceQuery: u.ForceQuery}
	}
	return v.cleanURI(u, rules)
}

// cleanURI gives v the RequestURI that belongs to its URL. A server in front of this one
// that has changed the URL and not the RequestURI, as http.StripPrefix does, has its
// RequestURI cleaned for itself.
func (v *view) cleanURI(was *url.URL, rules urlpath.Rules) *enmesh.Error {
	switch {
	case v.uri == "":
		return nil
	case v.url == was && writes(v.uri, was):
		return nil // the common case
	}
	if at, err := url.ParseRequestURI(v.uri); err == nil && (at.Path != was.Path || at.RawPath != was.RawPath) && at.Path != "" {
		clean, raw, why := rules.Clean(at.Path, at.RawPath)
		if why != urlpath.OK {
			return errPaths[why]
		}
		v.uri = (&url.URL{Path: clean, RawPath: raw, RawQuery: at.RawQuery, ForceQuery: at.ForceQuery}).RequestURI()
		return nil
	}
	v.uri = v.url.RequestURI()
	return nil
}

// writes reports whether uri is u's path, as u writes it, with or without a query.
func writes(uri string, u *url.URL) bool {
	if u.RawPath != "" {
		rest, ok := strings.CutPrefix(uri, u.RawPath)
		return ok && ends(rest)
	}
	if rest, ok := strings.CutPrefix(uri, u.Path); ok && ends(rest) {
		return true // nothing in it is escaped
	}
	rest, ok := urlpath.Behind(u.Path, uri)
	return ok && ends(rest)
}

// ends reports whether a path ends before rest.
func ends(rest string) bool { return rest == "" || rest[0] == '?' }

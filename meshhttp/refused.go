// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/urlhost"
	"github.com/enmesh-go/enmesh/internal/urlpath"
)

func refusal(status int, code enmesh.Code, text string) *enmesh.Error {
	return &enmesh.Error{Code: code, Status: status, Outcome: enmesh.Neutral, Policy: "meshhttp", Err: errors.New("meshhttp: " + text)}
}

// What a server refuses before any policy has seen it.
var (
	errTarget      = refusal(http.StatusBadRequest, enmesh.InvalidArgument, "the request target is not a path")
	errHost        = refusal(http.StatusBadRequest, enmesh.InvalidArgument, "the host is malformed")
	errConnect     = refusal(http.StatusBadRequest, enmesh.InvalidArgument, "CONNECT is not served")
	errMethod      = refusal(http.StatusMethodNotAllowed, enmesh.Unimplemented, "the method is not served")
	errMisdirected = refusal(http.StatusMisdirectedRequest, enmesh.InvalidArgument, "the host is not the server that the connection was made to")
	errPaths       = pathRefusals()
)

func pathRefusals() (all [urlpath.Reasons]*enmesh.Error) {
	for why := range all {
		all[why] = refusal(http.StatusBadRequest, enmesh.InvalidArgument, urlpath.Reason(why).String())
	}
	return all
}

var refusedDecision = enmesh.Decision{Policy: "meshhttp", Action: enmesh.ActionRefuse}

// refuse answers what no policy gets to see, and counts it.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, e *enmesh.Error) {
	h.refused.Add(1)
	if h.cfg.recorder != nil {
		h.cfg.recorder.Record(&enmesh.Call{Side: enmesh.Server, Protocol: enmesh.HTTP, Method: method(r.Method)}, refusedDecision)
	}
	if e == errMethod {
		w.Header().Set("Allow", h.cfg.allow)
	}
	writeRefusal(w, e, nil)
}

// Refused is how many requests were refused before any policy has seen them: by their
// path, method, host or server name.
func (h *Handler) Refused() uint64 { return h.refused.Load() }

// WithRecorder has r told of every request that is refused before any policy has seen it,
// as a decision of "meshhttp". The default tells the handler's router if it is a Recorder, as
// that of a mesh is; [Handler.Refused] counts anyway.
func WithRecorder(r enmesh.Recorder) ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.recorder = r })
}

// usualMethods are the methods that a server takes unless [AllowMethods] says otherwise.
var usualMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
	http.MethodDelete, http.MethodOptions, http.MethodTrace, "QUERY",
}

// AllowMethods sets the methods that the server takes, compared as they are written: "get"
// is not GET. Any other is refused with 405 before a policy sees it. The default is GET,
// HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE and QUERY. CONNECT is taken only when it
// is named here; its authority is then the call's, and its path "" unless it has one.
func AllowMethods(methods ...string) ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.methods = slices.Clone(methods) })
}

func (h *Handler) refusedMethod(r *http.Request) *enmesh.Error {
	switch m := method(r.Method); {
	case slices.Contains(h.cfg.methods, m):
		return nil
	case m == http.MethodConnect:
		return errConnect
	}
	return errMethod
}

// general answers "OPTIONS *", which is about the server and no path of it. net/http does
// so itself, unless Server.DisableGeneralOptionsHandler is set.
func (h *Handler) general(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.URL.Path != "*" {
		return false
	}
	w.Header().Set("Allow", h.cfg.allow)
	w.Header().Set("Content-Length", "0")
	return true
}

// ServerNameCheck says whether a request over TLS must be for the host that its connection
// was made to.
type ServerNameCheck uint8

// When the server name that a client sent in its TLS handshake (SNI) must be the host that
// it asks for. A request for another is answered with 421, Misdirected Request (RFC 9110,
// section 15.5.20). A client that sent no name, or asks for no host, is not held to it.
const (
	// CheckOutside, the default, holds those callers to it that have no verified identity.
	// Who has one knows the server by its identity too: mesh clients may send any name, and
	// routes may rewrite the host.
	CheckOutside ServerNameCheck = iota
	// CheckAll holds every caller to it.
	CheckAll
	// CheckNone holds nobody to it: for servers whose one certificate has several names, to
	// which browsers send the requests for all of them over one connection.
	CheckNone
)

// WithServerNameCheck sets who is held to the name that it sent in its TLS handshake. The
// default is [CheckOutside].
func WithServerNameCheck(c ServerNameCheck) ServerOption {
	return serverOption(func(cfg *serverConfig) { cfg.serverName = c })
}

// misdirected reports whether r, over TLS, is for another host than its connection.
func (h *Handler) misdirected(r *http.Request, host string) bool {
	name := r.TLS.ServerName
	if name == "" || host == "" || h.cfg.serverName == CheckNone {
		return false
	}
	if strings.EqualFold(strings.TrimSuffix(name, "."), urlhost.Name(host)) {
		return false
	}
	return h.cfg.serverName == CheckAll || h.sources.of(r, h.cfg.identity).Identity == ""
}

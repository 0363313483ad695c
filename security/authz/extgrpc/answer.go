// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package extgrpc

import (
	"net/url"
	"slices"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/headername"
)

// apply makes the changes that the authorizer wants in a call that is let through.
func apply(c *enmesh.Call, ok *auth.OkHttpResponse) {
	if ok == nil {
		return
	}
	if c.Header != nil {
		for _, name := range ok.GetHeadersToRemove() {
			if settable(name) {
				c.Header.Del(name)
			}
		}
		for _, h := range ok.GetHeaders() {
			set(c.Header, h)
		}
	}
	if c.Answer.Header != nil {
		for _, h := range ok.GetResponseHeadersToAdd() {
			set(c.Answer.Header, h)
		}
	}
	c.Query = query(c.Query, ok)
}

// settable reports whether an authorizer may change a header: not what HTTP/2 calls by a
// colon, by which the path would be another than the one that was authorized, and not what
// belongs to the message.
func settable(name string) bool { return headername.Valid(name) && !headername.OfMessage(name) }

// set makes one change. What no header can hold is left out.
func set(to enmesh.Header, h *core.HeaderValueOption) {
	name, value := h.GetHeader().GetKey(), valueOf(h.GetHeader())
	if !settable(name) || !headername.ValidValue(value) {
		return
	}
	there := len(to.Values(name)) > 0
	switch actionOf(h) {
	case core.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD:
		to.Add(name, value)
	case core.HeaderValueOption_ADD_IF_ABSENT:
		if !there {
			to.Set(name, value)
		}
	case core.HeaderValueOption_OVERWRITE_IF_EXISTS:
		if there {
			to.Set(name, value)
		}
	default:
		to.Set(name, value)
	}
}

// actionOf is what is to be done with a header. In external authorization the old field
// decides, and without either the header is replaced.
func actionOf(h *core.HeaderValueOption) core.HeaderValueOption_HeaderAppendAction {
	if old := h.GetAppend(); old != nil { //nolint:staticcheck // authorizers send it
		if old.GetValue() {
			return core.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD
		}
		return core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
	}
	if h.GetAppendAction() == core.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD { // the zero value
		return core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
	}
	return h.GetAppendAction()
}

// valueOf is text or, since lately, bytes.
func valueOf(h *core.HeaderValue) string {
	if v := h.GetValue(); v != "" {
		return v
	}
	return string(h.GetRawValue())
}

// query is a query without the parameters that are to go, and with those that are to be.
func query(raw string, ok *auth.OkHttpResponse) string {
	sets := ok.GetQueryParametersToSet()
	gone := slices.Clone(ok.GetQueryParametersToRemove())
	for _, p := range sets {
		gone = append(gone, p.GetKey())
	}
	if len(gone) == 0 {
		return raw
	}
	var kept []string
	for part := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); part != "" && (err != nil || !slices.Contains(gone, plain)) {
			kept = append(kept, part)
		}
	}
	for _, p := range sets {
		kept = append(kept, url.QueryEscape(p.GetKey())+"="+url.QueryEscape(p.GetValue()))
	}
	return strings.Join(kept, "&")
}

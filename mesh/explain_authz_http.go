// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// authzParameters are those of /explain/authz.
var authzParameters = []string{"protocol", "authority", "method", "path", "header", "principal", "source", "port", "sni", "user", "claim"}

// authzAnswer explains what becomes of the call that values describe.
func (m *Mesh) authzAnswer(r *http.Request, values url.Values) (texter, error) {
	q, err := AuthzQueryOf(values)
	if err != nil {
		return nil, err
	}
	return m.ExplainAuthz(r.Context(), q)
}

// AuthzQueryOf is the AuthzQuery that parameters describe, as /explain/authz and the command
// enmesh take them: protocol (http, grpc), authority, method, path, header (name:value, up
// to 64), principal, source (an address), port, sni, user (issuer/subject) and claim
// (name=value, where a value that is JSON is read as such).
func AuthzQueryOf(values url.Values) (AuthzQuery, error) {
	q := AuthzQuery{
		Authority: values.Get("authority"), Method: values.Get("method"), Path: values.Get("path"),
		Principal: values.Get("principal"), SNI: values.Get("sni"),
	}
	var err error
	if q.Protocol, err = protocolOf(values.Get("protocol")); err != nil {
		return q, err
	}
	if q.Header, err = headersOf(values["header"]); err != nil {
		return q, err
	}
	port, err := number(values, "port", 65535)
	if err != nil {
		return q, err
	}
	q.Port = uint16(port)
	if text := values.Get("source"); text != "" {
		if q.Source, err = netip.ParseAddr(text); err != nil {
			return q, fmt.Errorf("mesh: source %q is no address: write one such as 10.0.0.1", text)
		}
	}
	claims, err := claimsOf(values["claim"])
	if err != nil {
		return q, err
	}
	q.Auth, err = AuthOf(values.Get("user"), claims)
	return q, err
}

// claimsOf reads claims, "name=value".
func claimsOf(all []string) (map[string]any, error) {
	if len(all) > maxHeaders {
		return nil, fmt.Errorf("mesh: %d claims are given: %d are allowed", len(all), maxHeaders)
	}
	claims := map[string]any{}
	for _, one := range all {
		name, text, ok := strings.Cut(one, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("mesh: claim %q is not name=value", one)
		}
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var value any
		if err := d.Decode(&value); err != nil || d.More() {
			value = text
		}
		claims[name] = value
	}
	return claims, nil
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// What a question over HTTP may be at most.
const (
	maxQuestion   = 16 << 10 // bytes of its query
	maxHeaders    = 64
	maxCandidates = 10_000
)

// Explainer answers, as JSON, or as text where format=text asks for it:
//
//	GET /explain?protocol=http&host=reviews&path=/x&header=end-user:jason
//	GET /explain/authz?method=GET&path=/x&principal=cluster.local/ns/default/sa/web
//	GET /decisions?service=reviews
//
// The parameters of /explain are the fields of a [Query]: protocol (http, grpc), host,
// port, authority, scheme, method, path, query, header (name:value, up to 64) and
// candidates (up to 10,000). /decisions without a service names the services; n bounds how
// many are told of each. The parameters of /explain/authz are the fields of an [AuthzQuery]: protocol,
// authority, method, path, header, principal, source, port, sni, user (issuer/subject) and claim
// (name=value). A question that means nothing is answered with 400, and what to
// do about it.
//
// It says much about the process to anybody who asks: serve it on a loopback address, as
// [WithStatus] does, or behind authorization.
func (m *Mesh) Explainer() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /explain", questions(m.explainAnswer, "protocol", "host", "port", "authority", "scheme", "method", "path", "query", "header", "candidates"))
	mux.HandleFunc("GET /explain/authz", questions(m.authzAnswer, authzParameters...))
	mux.HandleFunc("GET /decisions", questions(m.decisionsAnswer, "service", "n"))
	return mux
}

// texter is an answer that can be read as text.
type texter interface{ WriteText(w io.Writer) error }

// questions parses a question, and writes the answer.
func questions(ask func(r *http.Request, values url.Values) (texter, error), names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		values, err := parameters(r.URL.RawQuery, append(names, "format"))
		var found texter
		if err == nil {
			found, err = ask(r, values)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if values.Get("format") == "text" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_ = found.WriteText(w) // who asks may be gone
			return
		}
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		_ = e.Encode(found) // who asks may be gone
	}
}

// parameters parses a query whose names are known; each but header and claim stands once at most.
func parameters(query string, known []string) (url.Values, error) {
	if len(query) > maxQuestion {
		return nil, fmt.Errorf("mesh: the query has %d bytes: %d are allowed", len(query), maxQuestion)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("mesh: the query cannot be read: %w: write %%25 for a percent sign, %%26 for &", err)
	}
	for name, all := range values {
		switch {
		case !slices.Contains(known, name):
			return nil, fmt.Errorf("mesh: parameter %q is not known: there are %s", name, strings.Join(known, ", "))
		case name != "header" && name != "claim" && len(all) > 1:
			return nil, fmt.Errorf("mesh: parameter %s is given %d times: give it once", name, len(all))
		}
	}
	if f := values.Get("format"); f != "" && f != "json" && f != "text" {
		return nil, fmt.Errorf("mesh: format %q is not known: json and text are", f)
	}
	return values, nil
}

// explainAnswer explains the call that values describe.
func (m *Mesh) explainAnswer(r *http.Request, values url.Values) (texter, error) {
	q, err := queryOf(values)
	if err != nil {
		return nil, err
	}
	return m.Explain(r.Context(), q)
}

// queryOf is the Query that parameters describe.
func queryOf(values url.Values) (Query, error) {
	q := Query{
		Host: values.Get("host"), Authority: values.Get("authority"), Scheme: values.Get("scheme"),
		Method: strings.ToUpper(values.Get("method")), Path: values.Get("path"), RawQuery: values.Get("query"), Header: http.Header{},
	}
	var err error
	if q.Protocol, err = protocolOf(values.Get("protocol")); err != nil {
		return q, err
	}
	port, err := number(values, "port", 65535)
	if err != nil {
		return q, err
	}
	q.Port = uint16(port)
	if q.Candidates, err = number(values, "candidates", maxCandidates); err != nil {
		return q, err
	}
	q.Header, err = headersOf(values["header"])
	return q, err
}

// headersOf reads headers, "name:value".
func headersOf(all []string) (http.Header, error) {
	out := http.Header{}
	if len(all) > maxHeaders {
		return out, fmt.Errorf("mesh: %d headers are given: %d are allowed", len(all), maxHeaders)
	}
	for _, h := range all {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return out, errors.New("mesh: a header is not name:value: write header=end-user:jason")
		}
		out.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return out, nil
}

// number is a parameter from 1 to most; 0 where it is not given.
func number(values url.Values, name string, most int) (int, error) {
	text := values.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("mesh: %s %q is no number from 1 to %d", name, text, most)
	}
	return n, nil
}

func protocolOf(name string) (enmesh.Protocol, error) {
	switch name {
	case "", "http":
		return enmesh.HTTP, nil
	case "grpc":
		return enmesh.GRPC, nil
	}
	return 0, fmt.Errorf("mesh: protocol %q is not known: http and grpc are", name)
}

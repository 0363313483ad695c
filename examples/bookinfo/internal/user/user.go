// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package user carries the name of the signed-in user from hop to hop, as the header
// "end-user" over HTTP and as metadata of the same name over gRPC. Policies match on
// it, so each service hands on what it was given: a service that did not would end
// the name's journey there.
//
// The name says who asks and proves nothing: it is for routing, not for access.
package user

import (
	"context"
	"net/http"

	"google.golang.org/grpc/metadata"
)

// Header is the header, and the key of the metadata.
const Header = "end-user"

// MaxLength of a name, in bytes.
const MaxLength = 64

type key struct{}

// With is ctx with the name of a user; "" is nobody.
func With(ctx context.Context, name string) context.Context {
	if name == "" {
		return ctx
	}
	return context.WithValue(ctx, key{}, name)
}

// Of is the name that ctx carries, or "".
func Of(ctx context.Context) string {
	name, _ := ctx.Value(key{}).(string)
	return name
}

// Valid reports whether name can be carried: 1 to 64 letters, digits, dots, hyphens
// and underscores of ASCII.
func Valid(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return name != "" && len(name) <= MaxLength
}

// Handler hands the header of each request on to what h calls.
func Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.Header.Get(Header); Valid(name) {
			r = r.WithContext(With(r.Context(), name))
		}
		h.ServeHTTP(w, r)
	})
}

// Set writes the user of r's context into its header.
func Set(r *http.Request) {
	if name := Of(r.Context()); name != "" {
		r.Header.Set(Header, name)
	}
}

// Outgoing is ctx with the user in the metadata of the gRPC calls made with it.
func Outgoing(ctx context.Context) context.Context {
	if name := Of(ctx); name != "" {
		return metadata.AppendToOutgoingContext(ctx, Header, name)
	}
	return ctx
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package user_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/user"
)

func TestValid(t *testing.T) {
	for name, want := range map[string]bool{
		"luciana": true, "A.b-c_9": true, strings.Repeat("x", user.MaxLength): true,
		"": false, "two words": false, "line\nbreak": false, "é": false, strings.Repeat("x", user.MaxLength+1): false,
	} {
		if got := user.Valid(name); got != want {
			t.Errorf("Valid(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestHandler_carriesTheUserToBothProtocols(t *testing.T) {
	for _, name := range []string{"luciana", ""} {
		h := user.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			out := httptest.NewRequestWithContext(r.Context(), http.MethodGet, "/", http.NoBody)
			user.Set(out)
			if got := out.Header.Get(user.Header); got != name {
				t.Errorf("header of the next call is %q, want %q", got, name)
			}
			md, _ := metadata.FromOutgoingContext(user.Outgoing(r.Context()))
			if got := strings.Join(md.Get(user.Header), ","); got != name {
				t.Errorf("metadata of the next call is %q, want %q", got, name)
			}
		}))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.Header.Set(user.Header, name)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func TestHandler_dropsWhatIsNoName(t *testing.T) {
	h := user.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if got := user.Of(r.Context()); got != "" {
			t.Errorf("user is %q, want none", got)
		}
	}))
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", http.NoBody)
	r.Header.Set(user.Header, "two words")
	h.ServeHTTP(httptest.NewRecorder(), r)
}

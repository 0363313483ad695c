// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package services

import (
	"bytes"
	"context"
	_ "embed"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/book"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/user"
)

//go:embed productpage.html
var pageSource string

// page is the template of the product page.
var page = template.Must(template.New("productpage").Funcs(template.FuncMap{
	"filled": func(n int) string { return strings.Repeat("★", min(max(n, 0), 5)) },
	"hollow": func(n int) string { return strings.Repeat("☆", 5-min(max(n, 0), 5)) },
}).Parse(pageSource))

// view is what the template shows.
type view struct {
	User    string
	Details *book.Details // nil: not to be had
	Reviews *book.Reviews // nil: not to be had
}

// Productpage serves the page in the browser at /productpage, the sign-in at /login
// and /logout, and /health. client calls the other services.
//
// The page is a 200 also when details or reviews cannot be had: it says so in their
// place.
func Productpage(client *http.Client) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.RedirectHandler("/productpage", http.StatusFound))
	mux.HandleFunc("GET /productpage", func(w http.ResponseWriter, r *http.Request) { showPage(w, r, client) })
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("POST /logout", logout)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return user.Handler(mux)
}

func showPage(w http.ResponseWriter, r *http.Request, client *http.Client) {
	v := view{User: user.Of(r.Context())}
	gather(r.Context(), client, &v)
	if r.Context().Err() != nil {
		return // nobody waits for the page
	}
	var body bytes.Buffer
	if err := page.Execute(&body, v); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	_, _ = w.Write(body.Bytes()) // the caller may be gone; there is nobody to tell
}

// gather asks details and reviews at once.
func gather(ctx context.Context, client *http.Client, v *view) {
	id := strconv.Itoa(book.ID)
	var wg sync.WaitGroup
	wg.Go(func() {
		var d book.Details
		if fetch(ctx, client, "http://details:9080/details/"+id, &d) == nil {
			v.Details = &d
		}
	})
	wg.Go(func() {
		var reviews book.Reviews
		if fetch(ctx, client, "http://reviews:9080/reviews/"+id, &reviews) == nil {
			v.Reviews = &reviews
		}
	})
	wg.Wait()
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package services

import (
	"net/http"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/book"
)

// Details serves GET /details/{id}.
func Details() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /details/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := bookID(w, r)
		if !ok {
			return
		}
		d, ok := book.DetailsOf(id)
		if !ok {
			noBook(w, id)
			return
		}
		answer(w, d)
	})
	return mux
}

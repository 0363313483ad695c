// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package services

import (
	"context"
	"net/http"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/book"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/user"
)

// ReviewsConfig says which of the three reviews a workload is.
type ReviewsConfig struct {
	Version string    // "v1"
	Color   string    // of the stars; "" shows none
	Stars   StarsFunc // nil: ratings are not asked
}

// Reviews serves GET /reviews/{id}. Reviews without stars are better than none: when
// ratings cannot be had, the answer is still a 200 and says so.
func Reviews(cfg ReviewsConfig) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /reviews/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := bookID(w, r)
		if !ok {
			return
		}
		reviews, ok := book.ReviewsOf(id)
		if !ok {
			noBook(w, id)
			return
		}
		out := book.Reviews{ID: id, Version: cfg.Version, Color: cfg.Color, Reviews: reviews}
		cfg.rate(r.Context(), &out)
		if r.Context().Err() == nil { // else nobody waits for it
			answer(w, out)
		}
	})
	return user.Handler(mux)
}

// rate adds the stars, or why there are none.
func (cfg *ReviewsConfig) rate(ctx context.Context, out *book.Reviews) {
	if cfg.Stars == nil {
		return
	}
	stars, err := cfg.Stars(ctx, out.ID)
	if err != nil {
		out.Problem = "The ratings cannot be had at present."
		return
	}
	for i := range out.Reviews {
		out.Reviews[i].Stars = int(stars[out.Reviews[i].Reviewer])
	}
}

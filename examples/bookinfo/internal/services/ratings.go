// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package services

import (
	"context"
	"math/rand/v2"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/book"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/ratingspb"
)

// Flaky is the share of its requests that an instance fails on its own, in percent:
// at most 0 none, 100 and above all. Retries and breakers need a failure that is no
// injected one.
type Flaky float64

// strikes draws whether this request fails.
func (f Flaky) strikes() bool { return rand.Float64()*100 < float64(f) }

// Ratings serves GET /ratings/{id}; a failure that f draws is a 503.
func Ratings(f Flaky) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ratings/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := bookID(w, r)
		if !ok {
			return
		}
		stars, ok := book.RatingsOf(id)
		switch {
		case f.strikes():
			http.Error(w, "the ratings are out of order", http.StatusServiceUnavailable)
		case !ok:
			noBook(w, id)
		default:
			answer(w, book.Ratings{ID: id, Stars: stars})
		}
	})
	return mux
}

// RatingsServer is the same over gRPC; a failure that its Flaky draws is UNAVAILABLE.
type RatingsServer struct {
	ratingspb.UnimplementedRatingsServer
	Flaky Flaky
}

// Get implements ratingspb.RatingsServer.
func (s *RatingsServer) Get(_ context.Context, r *ratingspb.GetRequest) (*ratingspb.GetResponse, error) {
	stars, ok := book.RatingsOf(r.GetBook())
	switch {
	case s.Flaky.strikes():
		return nil, status.Error(codes.Unavailable, "the ratings are out of order")
	case !ok:
		return nil, status.Errorf(codes.NotFound, "there is no book %d", r.GetBook())
	}
	return &ratingspb.GetResponse{Book: r.GetBook(), Stars: stars}, nil
}

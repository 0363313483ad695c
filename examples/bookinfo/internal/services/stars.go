// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package services

import (
	"context"
	"net/http"
	"strconv"

	"google.golang.org/grpc"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/book"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/ratingspb"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/user"
)

// StarsFunc asks the service ratings for the stars of a book, by reviewer.
type StarsFunc func(ctx context.Context, id int64) (map[string]int32, error)

// HTTPStars asks over HTTP.
func HTTPStars(client *http.Client) StarsFunc {
	return func(ctx context.Context, id int64) (map[string]int32, error) {
		var r book.Ratings
		err := fetch(ctx, client, "http://ratings:9080/ratings/"+strconv.FormatInt(id, 10), &r)
		return r.Stars, err
	}
}

// GRPCStars asks over gRPC.
func GRPCStars(cc grpc.ClientConnInterface) StarsFunc {
	client := ratingspb.NewRatingsClient(cc)
	return func(ctx context.Context, id int64) (map[string]int32, error) {
		r, err := client.Get(user.Outgoing(ctx), &ratingspb.GetRequest{Book: id})
		return r.GetStars(), err
	}
}

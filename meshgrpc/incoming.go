// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"iter"
	"maps"

	"google.golang.org/grpc/metadata"
)

// incoming is the enmesh.Header of a server's call. It reads single keys, since a
// look at all of them copies them all, and copies when it is first written.
type incoming served

func (h *incoming) Get(key string) string { return first(h.Values(key)) }

func (h *incoming) Values(key string) []string {
	key = lower(key)
	if h.edited != nil {
		return h.edited[key]
	}
	return metadata.ValueFromIncomingContext(h.Context, key)
}

// Keys lists the keys. Unless policies have written, it copies all metadata.
func (h *incoming) Keys() iter.Seq[string] {
	if h.edited != nil {
		return maps.Keys(h.edited)
	}
	md, _ := metadata.FromIncomingContext(h.Context)
	return maps.Keys(md)
}

func (h *incoming) Set(key, value string) { h.edit().Set(key, value) }
func (h *incoming) Add(key, value string) { h.edit().Append(key, value) }
func (h *incoming) Del(key string)        { h.edit().Delete(key) }

func (h *incoming) edit() metadata.MD {
	if h.edited == nil {
		h.edited, _ = metadata.FromIncomingContext(h.Context)
		if h.edited == nil {
			h.edited = metadata.MD{}
		}
	}
	return h.edited
}

// handed is ctx with the metadata as policies left it, for the handler.
func (h *incoming) handed(ctx context.Context) context.Context {
	if h.edited == nil {
		return ctx
	}
	return metadata.NewIncomingContext(ctx, h.edited.Copy())
}

// answerHeader and answerTrailer are what policies add to a server's answer, as
// enmesh.Headers. What the handler itself sets is not seen in them.
type (
	answerHeader  served
	answerTrailer served
)

func (h *answerHeader) Get(key string) string { return first(h.Values(key)) }
func (h *answerHeader) Set(key, value string) { (*served)(h).adds().header.Set(key, value) }
func (h *answerHeader) Add(key, value string) { (*served)(h).adds().header.Add(key, value) }
func (h *answerHeader) Del(key string)        { (*served)(h).adds().header.Del(key) }
func (h *answerHeader) Values(key string) []string {
	if h.added == nil {
		return nil
	}
	return h.added.header.Values(key)
}

func (h *answerTrailer) Get(key string) string { return first(h.Values(key)) }
func (h *answerTrailer) Set(key, value string) { (*served)(h).adds().trailer.Set(key, value) }
func (h *answerTrailer) Add(key, value string) { (*served)(h).adds().trailer.Add(key, value) }
func (h *answerTrailer) Del(key string)        { (*served)(h).adds().trailer.Del(key) }
func (h *answerTrailer) Values(key string) []string {
	if h.added == nil {
		return nil
	}
	return h.added.trailer.Values(key)
}

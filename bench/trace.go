// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

// traces is how many calls of a worker go by before a trace comes again. All
// workers' together are far more than HPACK's table of recent headers holds, so that
// each goes over the wire in full, as in a program that serves requests.
const traces = 64

// inTraces is contexts as a program has them that works on traced requests. Stacks
// that know nothing of traces get them too.
func inTraces(ctx context.Context) []context.Context {
	contexts := make([]context.Context, traces)
	for i := range contexts {
		var cfg trace.SpanContextConfig
		binary.BigEndian.PutUint64(cfg.TraceID[:8], rand.Uint64()|1)
		binary.BigEndian.PutUint64(cfg.TraceID[8:], rand.Uint64())
		binary.BigEndian.PutUint64(cfg.SpanID[:], rand.Uint64()|1)
		cfg.Remote = true
		contexts[i] = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(cfg)) //nolint:fatcontext // each stands on ctx alone
	}
	return contexts
}

// dialTraced is grpc-go alone, with a trace context in every call's metadata: what
// handing it on costs by itself.
func dialTraced(ctx context.Context, env Env, addr string) (Client, error) {
	c, err := dialGRPC(mutual, 0)(ctx, env, addr)
	if err != nil {
		return nil, err
	}
	return traced{c}, nil
}

// traced is a client whose calls hand the context's trace on.
type traced struct{ Client }

func (t traced) Worker() Call {
	call := t.Client.Worker()
	return func(ctx context.Context) error {
		return call(metadata.AppendToOutgoingContext(ctx, "traceparent", parentOf(ctx)))
	}
}

// parentOf is the context's trace, as a header says it.
func parentOf(ctx context.Context) string {
	s := trace.SpanContextFromContext(ctx)
	return "00-" + s.TraceID().String() + "-" + s.SpanID().String() + "-00"
}

// dialTracedHTTP is net/http alone, with a trace context in every request's header.
func dialTracedHTTP(ctx context.Context, env Env, addr string) (Client, error) {
	c, err := dialHTTP(0)(ctx, env, addr)
	if err != nil {
		return nil, err
	}
	c.(*httpClient).traced = true //nolint:errcheck,forcetypeassert // it is one
	return c, nil
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package otelmetric

import (
	"context"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
)

// key is all that may differ between the calls of a chain and shows in attributes.
type key struct {
	service  string // client
	method   string // HTTP: the method; gRPC: the path
	scheme   string // HTTP
	code     enmesh.Code
	status   int32 // HTTP; 0: no answer came
	port     uint16
	protocol enmesh.Protocol
}

func (k *key) hash() uint64 {
	n := uint64(k.code)<<40 | uint64(k.status)<<16 | uint64(len(k.service))<<8 | uint64(k.protocol)
	return uint64(telemetry.Hash(0).Uint(n).String(k.method))
}

// calls observes the calls of one chain.
type calls struct {
	side      enmesh.Side
	durations [2]metric.Float64Histogram
	sizes     [2]metric.Int64Histogram // nil: not recorded
	options   telemetry.Cache[key, []metric.RecordOption]
}

// Observe records a call.
func (o *calls) Observe(r enmesh.Result) {
	k := o.keyOf(r)
	hash := k.hash()
	options, ok := o.options.Get(hash, &k)
	if !ok {
		key := k
		set := attribute.NewSet(o.attributes(&key)...)
		options = []metric.RecordOption{metric.WithAttributeSet(set)}
		o.options.Put(hash, key, options)
	}
	histogram := o.durations[0]
	if k.protocol == enmesh.GRPC {
		histogram = o.durations[1]
	}
	histogram.Record(context.Background(), r.Ended.Sub(r.Call.Start).Seconds(), options...)
	if o.sizes[0] != nil && k.protocol == enmesh.HTTP {
		request, answer := r.Call.Sizes()
		for i, n := range [...]int64{request, answer} {
			if n >= 0 {
				o.sizes[i].Record(context.Background(), n, options...)
			}
		}
	}
}

func (o *calls) keyOf(r enmesh.Result) key {
	c := r.Call
	k := key{code: enmesh.CodeOf(r.Err)}
	if o.side == enmesh.Client {
		k.service, k.port = c.Service, c.Port
	}
	if c.Protocol == enmesh.GRPC {
		k.protocol, k.method = enmesh.GRPC, c.Path
		return k
	}
	k.method, k.scheme = knownMethod(c.Method), c.Scheme
	k.status = int32(c.Answer.Status)
	if o.side == enmesh.Server {
		k.status = int32(telemetry.Status(r))
	}
	return k
}

// attributes of calls with key k.
func (o *calls) attributes(k *key) []attribute.KeyValue {
	var a []attribute.KeyValue
	if k.protocol == enmesh.GRPC {
		a = rpcAttributes(k)
	} else {
		a = httpAttributes(k, o.side)
	}
	if o.side == enmesh.Client && k.service != "" {
		a = append(a, attribute.String("server.address", k.service))
		if k.port != 0 {
			a = append(a, attribute.Int("server.port", int(k.port)))
		}
	}
	return a
}

func rpcAttributes(k *key) []attribute.KeyValue {
	method := k.method
	if method != "" && method[0] == '/' {
		method = method[1:]
	}
	a := []attribute.KeyValue{
		attribute.String("rpc.system.name", "grpc"),
		attribute.String("rpc.method", method),
		attribute.String("rpc.response.status_code", k.code.String()),
	}
	if k.code != enmesh.OK {
		a = append(a, attribute.String("error.type", k.code.String()))
	}
	return a
}

func httpAttributes(k *key, side enmesh.Side) []attribute.KeyValue {
	a := []attribute.KeyValue{attribute.String("http.request.method", k.method)}
	if k.scheme != "" {
		a = append(a, attribute.String("url.scheme", k.scheme))
	}
	if k.status != 0 {
		a = append(a, attribute.Int("http.response.status_code", int(k.status)))
	}
	if t := httpErrorType(k, side); t != "" {
		a = append(a, attribute.String("error.type", t))
	}
	return a
}

// httpErrorType is the status of an answer that is an error (at a server only from
// 500 on: the rest is the caller's), or the code of what went wrong besides.
func httpErrorType(k *key, side enmesh.Side) string {
	least := int32(400)
	if side == enmesh.Server {
		least = 500
	}
	switch {
	case k.status >= least:
		return strconv.Itoa(int(k.status))
	case k.status >= 400, k.code == enmesh.OK:
		return ""
	}
	return k.code.String()
}

// knownMethod is method, or "_OTHER" when it is none that HTTP knows.
func knownMethod(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY":
		return method
	case "":
		return "GET"
	}
	return "_OTHER"
}

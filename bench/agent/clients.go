// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// report is what the clients found.
type report struct {
	Pushes        int
	P50, P99, Max time.Duration
	CPU           time.Duration // while instances changed
}

// clients is the process of all clients, until its input ends.
func clients(ctx context.Context, j job, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	var running, syncing sync.WaitGroup
	defer running.Wait()
	defer cancel()
	all := make([]*client, j.Row.Streams)
	failed := make(chan error, j.Row.Streams)
	for i := range all {
		c, err := dial(ctx, j, i)
		if err != nil {
			return err
		}
		defer func() { _ = c.conn.Close() }() // it has none but that it is closed
		all[i] = c
		syncing.Add(1)
		c.synced = sync.OnceFunc(syncing.Done)
		running.Go(func() {
			if err := c.run(); err != nil && ctx.Err() == nil {
				failed <- err
				c.synced()
			}
		})
	}
	syncing.Wait()
	before := usage()
	if _, err := fmt.Fprintln(out, "in sync"); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, in) // its end is all that counts
	used := usage() - before
	cancel()
	running.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	r := reportOf(all)
	r.CPU = used
	return json.NewEncoder(out).Encode(r)
}

func reportOf(all []*client) report {
	var lags []time.Duration
	for _, c := range all {
		lags = append(lags, c.lags...)
	}
	slices.Sort(lags)
	r := report{Pushes: len(lags)}
	if len(lags) > 0 {
		r.P50, r.P99, r.Max = lags[len(lags)/2], lags[len(lags)*99/100], lags[len(lags)-1]
	}
	return r
}

// client is one stream, on a connection of its own.
type client struct {
	conn    *grpc.ClientConn
	stream  grpc.ClientStream
	answers map[string][]byte // by type: an answer without version and nonce
	wants   int
	synced  func()
	lags    []time.Duration
}

const method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"

// Fields of DiscoveryRequest and DiscoveryResponse.
const (
	fieldVersion, fieldNode, fieldNames, fieldRequestType, fieldRequestNonce = 1, 2, 3, 4, 5
	fieldResources, fieldType, fieldNonce                                    = 2, 4, 5
)

func dial(ctx context.Context, j job, i int) (*client, error) {
	conn, err := grpc.NewClient("unix:"+j.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(plain{}), grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return nil, err
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, stream: stream, answers: map[string][]byte{}, wants: j.Row.Each}
	node := nodeBytes(i)
	for _, k := range []xds.Kind{xds.Listener, xds.Route, xds.Cluster, xds.Endpoints} {
		var b []byte
		for n := range j.Row.Each {
			b = text(b, fieldNames, nameOf(k, (i*j.Row.Each+n)%j.Row.Services))
		}
		b = text(b, fieldRequestType, k.TypeURL())
		c.answers[k.TypeURL()] = b
		if err := stream.SendMsg([][]byte{node, b}); err != nil {
			return nil, err
		}
		node = nil
	}
	return c, nil
}

func nameOf(k xds.Kind, service int) string {
	if k == xds.Listener || k == xds.Route {
		return serviceName(service) + ":9080"
	}
	return "outbound|9080||" + serviceName(service) + ".default.svc.cluster.local"
}

// nodeBytes is the field of the request that says who the client is: one of many pods of
// many workloads, with a label that it has alone.
func nodeBytes(i int) []byte {
	entry := func(key string, value []byte) []byte { // of a Struct
		b := text(nil, 1, key)
		b = protowire.AppendTag(b, 2, protowire.BytesType)
		b = protowire.AppendBytes(b, value)
		return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), b)
	}
	labels := append(entry("app", text(nil, 3, fmt.Sprint("app-", i%20))), entry("pod", text(nil, 3, fmt.Sprint("pod-", i)))...)
	meta := entry("labels", protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), labels))
	n := text(nil, 1, fmt.Sprint("node-", i))
	n = protowire.AppendBytes(protowire.AppendTag(n, 3, protowire.BytesType), meta)
	n = text(n, 6, "gRPC Go")
	return protowire.AppendBytes(protowire.AppendTag(nil, fieldNode, protowire.BytesType), n)
}

func text(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

// run takes what comes and accepts it.
func (c *client) run() error {
	endpoints := 0
	for {
		var m response
		if err := c.stream.RecvMsg(&m); err != nil {
			return err
		}
		if m.url == xds.Endpoints.TypeURL() {
			if endpoints += m.resources; endpoints >= c.wants {
				c.synced()
			}
		}
		c.lags = append(c.lags, m.lags...)
		tail := text(text(nil, fieldVersion, m.version), fieldRequestNonce, m.nonce)
		if err := c.stream.SendMsg([][]byte{c.answers[m.url], tail}); err != nil {
			return err
		}
	}
}

// response is what a client reads of one.
type response struct {
	url, version, nonce string
	resources           int
	lags                []time.Duration
}

func (r *response) read(b []byte, now time.Time) error {
	for len(b) > 0 {
		field, typ, n := protowire.ConsumeTag(b)
		if n < 0 || typ != protowire.BytesType {
			return fmt.Errorf("agent: a response with field %d of type %d", field, typ)
		}
		value, m := protowire.ConsumeBytes(b[n:])
		if m < 0 {
			return protowire.ParseError(m)
		}
		b = b[n+m:]
		switch field {
		case fieldVersion:
			r.version = string(value)
		case fieldType:
			r.url = string(value)
		case fieldNonce:
			r.nonce = string(value)
		case fieldResources:
			r.resources++
			if t, ok := stamped(value); ok {
				r.lags = append(r.lags, now.Sub(t))
			}
		}
	}
	return nil
}

// plain is a codec that leaves the bytes alone.
type plain struct{}

// Name is the name of the codec.
func (plain) Name() string { return "proto" }

// Marshal takes the parts of a message.
func (plain) Marshal(v any) (mem.BufferSlice, error) {
	parts, ok := v.([][]byte)
	if !ok {
		return nil, fmt.Errorf("agent: %T is no message", v)
	}
	var out mem.BufferSlice
	for _, p := range parts {
		if len(p) > 0 {
			out = append(out, mem.SliceBuffer(p))
		}
	}
	return out, nil
}

// Unmarshal reads a response.
func (plain) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*response)
	if !ok {
		return fmt.Errorf("agent: %T is no message", v)
	}
	now := time.Now()
	b := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer b.Free()
	return r.read(b.ReadOnlyData(), now)
}

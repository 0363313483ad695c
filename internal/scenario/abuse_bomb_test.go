// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // as programs do that take compressed messages
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// A bomb is so long when it has gone off, and about a thousandth of it before.
const (
	bombSize = 64 << 20
	mostHeld = 16 * raceWeighs // MiB
)

// bombText is gzip of bombSize bytes.
func bombText(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	zeros := make([]byte, 1<<20)
	for range bombSize >> 20 {
		_, _ = z.Write(zeros)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rawCodec sends bytes as they are, and says they are a message.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (rawCodec) Name() string                       { return "proto" }

// bombMessage is a message of protobuf with one string of 64 MiB.
func bombMessage() *[]byte {
	m := append([]byte{0x0a, 0x80, 0x80, 0x80, 0x20}, make([]byte, bombSize)...)
	return &m
}

// TestScenarioR8_request: a compressed message that is too long when it is not, in a call
// to a server. It is refused, and no more than the limit is held of it.
func TestScenarioR8_request(t *testing.T) {
	ledger.Baseline(t)
	g := rpcTarget(t, false)
	cc, err := grpc.NewClient(g.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	bomb, answer := bombMessage(), new([]byte)
	grown := weigh(t, func() {
		err = cc.Invoke(t.Context(), "/grpc.health.v1.Health/Check", bomb, answer,
			grpc.ForceCodec(rawCodec{}), grpc.UseCompressor("gzip"))
	})
	t.Logf("%v; %.1f MiB", err, grown)
	if status.Code(err) != codes.ResourceExhausted || g.ran.Load() != 0 || grown > mostHeld {
		t.Errorf("got %v, %d handlers ran, %.1f MiB more in use; want ResourceExhausted, none and %d at most", err, g.ran.Load(), grown, mostHeld)
	}
}

// TestScenarioR8_answer: the same in the answer to a client.
func TestScenarioR8_answer(t *testing.T) {
	ledger.Baseline(t)
	bomb := bombMessage()
	server := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.MaxSendMsgSize(2*bombSize),
		grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
			if err := s.RecvMsg(new([]byte)); err != nil {
				return err
			}
			if err := grpc.SetSendCompressor(s.Context(), "gzip"); err != nil {
				return err
			}
			return s.SendMsg(bomb)
		}))
	listener, done := loopback(t), make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	w := newTown(t, balance.ConnectionConfig{}, listener.Addr().String())
	cc, err := grpc.NewClient("enmesh:///"+shop, meshgrpc.NewClient(w.router(), w).DialOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	grown := weigh(t, func() {
		_, err = grpc_health_v1.NewHealthClient(cc).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}, grpc.UseCompressor("gzip"))
	})
	t.Logf("%v; %.1f MiB", err, grown)
	if status.Code(err) != codes.ResourceExhausted || grown > mostHeld {
		t.Errorf("got %v, %.1f MiB more in use; want ResourceExhausted and %d at most", err, grown, mostHeld)
	}
}

// TestScenarioR8_overHTTP: net/http decompresses an answer as it is read, and a server does
// not decompress a request. Neither holds what it has not been asked for, whether a policy
// resends, or the caller reads little of it.
func TestScenarioR8_overHTTP(t *testing.T) {
	ledger.Baseline(t)
	bomb := bombText(t)
	g := webTarget(t, false)
	var encoded int64
	g.look = func(r *http.Request) {
		if r.Header.Get("Content-Encoding") == "gzip" {
			encoded, _ = io.Copy(io.Discard, r.Body)
		}
	}
	g.answer = func(w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb)
	}
	w := newTown(t, balance.ConnectionConfig{}, g.addr)
	w.resends = true
	client := w.client(false)
	var read int
	grown := weigh(t, func() {
		resp, err := client.Get("http://" + shop + "/")
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		read, _ = io.ReadFull(resp.Body, make([]byte, 4<<20))
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodPut, "http://"+shop+"/", strings.NewReader(string(bomb)))
		req.Header.Set("Content-Encoding", "gzip")
		again, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		_ = again.Body.Close()
	})
	t.Logf("%d bytes of the answer read, %d of the request; %.1f MiB", read, encoded, grown)
	if read != 4<<20 || encoded != int64(len(bomb)) || grown > mostHeld {
		t.Errorf("read %d of the answer, %d of the request of %d, %.1f MiB more in use", read, encoded, len(bomb), grown)
	}
}

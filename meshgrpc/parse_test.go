// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

func TestDestinationOf(t *testing.T) {
	tests := []struct {
		target  string
		service string
		port    uint16
	}{
		{"enmesh:///ratings", "ratings", 0},
		{"enmesh:///ratings:9081", "ratings", 9081},
		{"enmesh:///ratings.default.svc.cluster.local:9081", "ratings.default.svc.cluster.local", 9081},
		{"enmesh:ratings", "ratings", 0},
		{"dns:///ratings:9081", "ratings", 9081},
		{"dns://8.8.8.8/ratings:9081", "ratings", 9081},
		{"xds:///ratings", "ratings", 0},
		{"ratings:9081", "ratings", 9081},
		{"ratings", "ratings", 0},
		{"passthrough:///127.0.0.1:80", "127.0.0.1", 80},
		{"127.0.0.1:80", "127.0.0.1", 80},
		{"[::1]:80", "[::1]", 80},
		{"passthrough:///[::1]:80", "[::1]", 80},
		{"passthrough:///::1", "::1", 0},
		{"unix:///run/x.sock", "run/x.sock", 0},
		{"enmesh:///ratings:http", "ratings:http", 0},
		{"enmesh:///ratings:99999", "ratings:99999", 0},
		{"enmesh:///", "", 0},
		{"", "", 0},
		{":", "", 0},
		{"enmesh:///:80", "", 80},
	}
	for _, tt := range tests {
		if got := meshgrpc.DestinationOf(tt.target); got != (enmesh.Destination{Service: tt.service, Port: tt.port}) {
			t.Errorf("destination of %q = %+v, want %q, %d", tt.target, got, tt.service, tt.port)
		}
	}
	if n := testing.AllocsPerRun(100, func() { meshgrpc.DestinationOf("enmesh:///ratings:9081") }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func FuzzDestinationOf(f *testing.F) {
	for _, s := range []string{"enmesh:///ratings:9081", "dns://8.8.8.8/ratings:9081", "[::1]:80", ":", "a:b:c", "://", "x:///]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		d := meshgrpc.DestinationOf(target)
		if !strings.Contains(target, d.Service) {
			t.Errorf("service %q is no part of %q", d.Service, target)
		}
	})
}

func TestPushback_parse(t *testing.T) {
	tests := []struct {
		values []string
		want   time.Duration
	}{
		{[]string{"0"}, 1},
		{[]string{"15"}, 15 * time.Millisecond},
		{[]string{"-1"}, -1},
		{[]string{"-9999999999999999999999"}, -1},
		{[]string{"1.5"}, -1},
		{[]string{""}, -1},
		{[]string{"1", "2"}, -1},
		{[]string{"9223372036854775807"}, 1<<63 - 1},
	}
	for _, tt := range tests {
		if got := meshgrpc.ParsePushback(tt.values); got != tt.want {
			t.Errorf("pushback of %q = %d, want %d", tt.values, got, tt.want)
		}
	}
}

// What a server writes, a client reads: never less than was meant.
func FuzzPushback(f *testing.F) {
	for _, d := range []int64{-1, 1, 999_999, 1_000_000, 1_500_000, 1<<63 - 1} {
		f.Add(d, fmt.Sprint(d))
	}
	f.Fuzz(func(t *testing.T, ns int64, text string) {
		meshgrpc.ParsePushback([]string{text})
		d := time.Duration(ns)
		if d == 0 {
			return
		}
		got := meshgrpc.ParsePushback([]string{meshgrpc.PushbackText(d)})
		if (d < 0) != (got < 0) || d > 0 && got < d {
			t.Errorf("%v became %v", d, got)
		}
	})
}

func TestMethods_idempotent(t *testing.T) {
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("meshgrpc_test.proto"), Package: proto.String("meshgrpc.test"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M")}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S"), Method: []*descriptorpb.MethodDescriptorProto{
			method("Get", descriptorpb.MethodOptions_NO_SIDE_EFFECTS),
			method("Put", descriptorpb.MethodOptions_IDEMPOTENT),
			method("Post", descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN),
		}}},
	}
	fd, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := protoregistry.GlobalFiles.FindFileByPath(fd.Path()); err != nil { // a test may run twice
		if err := protoregistry.GlobalFiles.RegisterFile(fd); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]bool{
		"/meshgrpc.test.S/Get":                true,
		"/meshgrpc.test.S/Put":                true,
		"/meshgrpc.test.S/Post":               false,
		"/meshgrpc.test.S/Other":              false,
		"/meshgrpc.test.M/Get":                false,
		"/grpc.testing.TestService/UnaryCall": false,
		"/not linked!/Get":                    false,
		"nothing":                             false,
		"":                                    false,
	} {
		if got := meshgrpc.Idempotent(path); got != want {
			t.Errorf("idempotent(%q) = %v, want %v", path, got, want)
		}
	}
	if n := meshgrpc.Methods(5000, func(i int) string { return fmt.Sprintf("/a.b/%d", i) }); n != 4096 {
		t.Errorf("the cache grew to %d methods, want at most 4096", n)
	}
}

func method(name string, level descriptorpb.MethodOptions_IdempotencyLevel) *descriptorpb.MethodDescriptorProto {
	return &descriptorpb.MethodDescriptorProto{
		Name: proto.String(name), InputType: proto.String(".meshgrpc.test.M"), OutputType: proto.String(".meshgrpc.test.M"),
		Options: &descriptorpb.MethodOptions{IdempotencyLevel: level.Enum()},
	}
}

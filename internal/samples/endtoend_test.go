// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import (
	"google.golang.org/grpc/codes"

	"github.com/enmesh-go/enmesh/mesh"
)

// inEcho is a caller in the namespace of Istio's end-to-end tests.
var inEcho = mesh.Workload{Service: "a", Namespace: "echo"}

// endToEnd is what Istio's own end-to-end tests put in force, and the tasks on mirrors and
// gRPC.
var endToEnd = []sample{
	{file: "e2e-catchall-short-circuit.yaml", from: inEcho, calls: []call{{to: "http://b/any/path", status: 418, code: codes.Unknown}}},
	{file: "e2e-fault-abort-418.yaml", from: inEcho, calls: []call{{to: "http://b/any/path", status: 418, code: codes.Unknown}}},
	{file: "e2e-fault-abort-grpc-unavailable.yaml", from: inEcho, calls: []call{{to: "http://b/any/path", status: 503, code: codes.Unavailable}}},
	{file: "e2e-pseudo-header-method.yaml", from: inEcho, calls: []call{
		{web: "gRPC is always POST", to: "http://b/any/path"},
		{web: "gRPC is always POST", to: "http://b/any/path", method: "PUT", status: 404},
	}},
	{file: "e2e-redirect-port-scheme.yaml", from: inEcho, calls: []call{
		{web: "gRPC follows no redirect", to: "http://b/foo", status: 301, got: map[string]string{"Location": "https://b:80/foo"}},
	}},
	{file: "e2e-redirect-request-port.yaml", from: inEcho, calls: []call{
		{web: "gRPC follows no redirect", to: "http://b:8080/foo", status: 301, got: map[string]string{"Location": "http://b:8080/foo"}},
	}},
	{file: "e2e-redirect-uri.yaml", from: inEcho, calls: []call{
		{web: "gRPC follows no redirect", to: "http://b/foo", status: 301, got: map[string]string{"Location": "http://b/new/path"}},
		{to: "http://b/new/path", times: 5},
		{to: "http://b/other/path", status: 404, code: codes.Unimplemented},
	}},
	{file: "e2e-redirect-prefixRewrite.yaml", from: inEcho, calls: []call{
		{web: "gRPC follows no redirect", to: "http://b/foo/bar?q=1", status: 301, got: map[string]string{"Location": "http://b/new/bar?q=1"}},
		{to: "http://b/new/bar", times: 5},
	}},
	{file: "e2e-rewrite-authority.yaml", from: inEcho, calls: []call{
		{web: "a gRPC method has two parts", to: "http://b/foo", host: "new-authority"},
	}},
	{file: "e2e-rewrite-uri.yaml", from: inEcho, calls: []call{
		{web: "a gRPC method has two parts", to: "http://b/foo?q=1", path: "/new/path?q=1"},
		{to: "http://b/foo/more", status: 404, code: codes.Unimplemented},
	}},
	{file: "e2e-set-authority.yaml", from: inEcho, calls: []call{{to: "http://b/any/path", host: "my-custom-authority"}}},
	{file: "e2e-set-header.yaml", from: inEcho, calls: []call{{to: "http://b/any/path", saw: map[string]string{"x-custom": "some-value"}}}},
	{file: "e2e-set-host-route-and-dest.yaml", from: inEcho, calls: []call{{to: "http://b/any/path", host: "route-authority"}}},
	{file: "e2e-shifting-50-25-25.yaml", from: inEcho, calls: []call{
		{to: "http://b/any/path", times: 1000, shares: map[string]float64{"b": 0.5, "c": 0.25, "d": 0.25}},
	}},
	{file: "e2e-without-headers-exact.yaml", from: inEcho, calls: []call{
		{to: "http://b/any/path", header: jason, status: 200},
		{to: "http://b/any/path", header: map[string]string{"end-user": "not-jason"}, status: 403, code: codes.PermissionDenied},
		{to: "http://b/any/path", status: 403, code: codes.PermissionDenied},
	}},
	{file: "e2e-without-headers-regex-any.yaml", from: inEcho, calls: []call{
		{to: "http://b/any/path", header: jason, status: 200},
		{to: "http://b/any/path", status: 200}, // one that is missing is empty, and any text is that
	}},
	{file: "e2e-without-headers-regex-star.yaml", from: inEcho, calls: []call{
		{to: "http://b/any/path", header: jason, status: 200},
		{to: "http://b/any/path", status: 403, code: codes.PermissionDenied},
	}},
	{file: "grpc-vs-echo-weights.yaml", with: "grpc-dr-echo-versions.yaml", from: inEchoGRPC, calls: []call{
		{to: "http://echo.echo-grpc.svc.cluster.local:7070/proto.EchoTestService/Echo", times: 1000, shares: map[string]float64{"echo v1": 0.2, "echo v2": 0.8}},
	}},
	{file: "grpc-dr-echo-versions.yaml", from: inEchoGRPC, calls: []call{
		{to: "http://echo:7070/proto.EchoTestService/Echo", times: 300, shares: map[string]float64{"echo v1": 1. / 3, "echo v2": 1. / 3, "echo v3": 1. / 3}},
	}},
	{file: "mirror-1-default-v1.yaml", calls: []call{{to: "http://httpbin:8000/headers/all", times: 20, served: "httpbin v1"}}},
	{file: "mirror-2-all-to-v2.yaml", with: "mirror-1-default-v1.yaml", calls: []call{
		{to: "http://httpbin:8000/headers/all", times: 20, served: "httpbin v1", mirrored: "httpbin v2 httpbin-shadow:8000"},
	}},
	{file: "mirror-3-deprecated-mirrorPercent.yaml", with: "mirror-1-default-v1.yaml", calls: []call{
		{to: "http://httpbin:8000/headers/all", times: 20, served: "httpbin v1", mirrored: "httpbin v2 httpbin-shadow:8000"},
	}},
}

var inEchoGRPC = mesh.Workload{Service: "client", Namespace: "echo-grpc"}

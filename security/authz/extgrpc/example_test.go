// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package extgrpc_test

import (
	"context"
	"errors"
	"fmt"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/authz/extgrpc"
)

// here is a connection to an authorizer that says one thing.
type here struct {
	grpc.ClientConnInterface
	answer *auth.CheckResponse
}

func (h here) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	proto.Merge(reply.(proto.Message), h.answer) //nolint:forcetypeassert // the client's own
	return nil
}

// In a program conn is a *grpc.ClientConn; here it is one that says no.
func ExampleNew() {
	conn := here{answer: denied(codes.Unauthenticated, 401, "who are you?")}
	checker, err := extgrpc.New(conn, extgrpc.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	engine, err := authz.New(authz.Config{
		Policies: []authz.Policy{{Name: "opa", Action: authz.Custom, Provider: "opa", Rules: []authz.Rule{{}}}},
		Checkers: map[string]authz.Checker{"opa": checker},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c := &enmesh.Call{Side: enmesh.Server, Method: "GET", Path: "/", Authority: "shop.example"}
	_, err = engine.Admit(context.Background(), c)
	r := c.ReplyFor(err)
	fmt.Println(errors.Is(err, extgrpc.ErrDenied), r.Status, string(r.Body))
	// Output: true 401 who are you?
}

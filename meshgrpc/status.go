// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/enmesh-go/enmesh"
)

// statusError is an *enmesh.Error as gRPC callers know errors: status.FromError
// reads its code, message and details, errors.As still finds the *enmesh.Error.
type statusError struct {
	error               // with the *enmesh.Error in its tree
	core  *enmesh.Error // that one
	text  string        // of the status, when it is not the error's own
}

// Unwrap is the error that became a status.
func (e *statusError) Unwrap() error { return e.error }

// GRPCStatus is what goes over the wire: a wait that a policy asks for is in it as
// a RetryInfo detail.
func (e *statusError) GRPCStatus() *status.Status {
	text := e.text
	if text == "" {
		text = e.Error()
	}
	st := status.New(codes.Code(e.core.Code), text)
	if e.core.RetryAfter <= 0 {
		return st
	}
	with, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(e.core.RetryAfter)})
	if err != nil {
		return st
	}
	return with
}

// asStatus makes of the chain's error what callers of gRPC expect: an error that
// status.FromError reads.
func asStatus(err error) error {
	if core := enmesh.ErrorOf(err); core != nil {
		return &statusError{error: err, core: core}
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return status.FromContextError(err).Err()
	}
	return &statusError{error: err, core: &enmesh.Error{Code: enmesh.Unknown, Outcome: enmesh.Failure, Err: err}}
}

// ofStatus is the *enmesh.Error of what an RPC returned: the code decides. The
// error itself stays its cause.
func ofStatus(err error) *enmesh.Error {
	if e := enmesh.ErrorOf(err); e != nil {
		return e
	}
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err)
	}
	code := enmesh.Code(st.Code())
	return &enmesh.Error{Code: code, Outcome: enmesh.OutcomeOfCode(code), RetryAfter: pushback(st, nil), Err: err}
}

// ofUnseen is ofStatus for an RPC that our balancer has not seen. Metadata that cannot be
// written is its writer's fault, and grpc's texts for it are all there is to tell by.
func ofUnseen(err error) *enmesh.Error {
	e := ofStatus(err)
	if text := status.Convert(err).Message(); e.Code == enmesh.Internal &&
		(strings.HasPrefix(text, "header key ") || text == "there is an empty key in the header") {
		e.Outcome = enmesh.Neutral
	}
	return e
}

// errReply is why an answer that a policy made up cannot be handed out in gRPC.
var errReply = errors.New("meshgrpc: a policy's made-up answer has no gRPC message")

// replyError is the status of an answer that a policy made up and called a success:
// gRPC has no message for it, so its HTTP status alone counts.
func replyError(r *enmesh.Reply) error {
	return asStatus(&enmesh.Error{Code: enmesh.GRPCCodeOfStatus(r.Status), Outcome: enmesh.Neutral, Status: r.Status, Policy: "meshgrpc", Err: errReply})
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
)

// endOf is whose end of ctx the RPC's error err reports, or nil when it is not about
// ctx.
func endOf(ctx context.Context, c *enmesh.Call, err error) *enmesh.Error {
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		return c.DeadlineOwner(ctx)
	case codes.Canceled:
		return c.EndOf(ctx)
	}
	return nil
}

// ofAttempt is the *enmesh.Error of an attempt that our balancer has seen end. Here
// it is known what crossed the wire, and the trailer.
func ofAttempt(ctx context.Context, c *enmesh.Call, info balancer.DoneInfo) *enmesh.Error {
	if end := endOf(ctx, c, info.Err); end != nil {
		return end
	}
	return ofCode(info)
}

// ofCode is ofAttempt where the context's end is not the reason.
func ofCode(info balancer.DoneInfo) *enmesh.Error {
	st, ok := status.FromError(info.Err)
	if !ok {
		st = status.FromContextError(info.Err)
	}
	e := &enmesh.Error{
		Code:       enmesh.Code(st.Code()),
		Outcome:    enmesh.OutcomeOfCode(enmesh.Code(st.Code())),
		RetryAfter: pushback(st, info.Trailer),
		Err:        info.Err,
	}
	if !info.BytesReceived {
		local(e, st, info)
	}
	return e
}

// The texts of grpc's transport for streams that the far side has not processed.
// Nothing was received on the stream, so they cannot be the far side's own words.
const (
	textRefused  = "REFUSED_STREAM"
	textGoAway   = "the stream is rejected because server is draining the connection"
	textDraining = "the connection is draining"
	textReset    = "stream terminated by RST_STREAM"
)

// errUnwritten stands for the bare io.EOF that grpc gives for a call that it sends once
// more by itself, when that stream too ends before the request was written: the
// application had no request to serve. grpc tells the balancer of a success then, on
// which nothing was received.
var errUnwritten = status.Error(codes.Unavailable, "meshgrpc: the stream ended before the request was written")

// errEarly stands for the same where the far side has ended that stream with OK: whatever it
// answered, grpc has not read it.
var errEarly = status.Error(codes.Unavailable, "meshgrpc: the far side ended the call before the request was written")

// unwritten reports whether that is how an attempt ended, by the RPC's own error.
func unwritten(info balancer.DoneInfo, err error) bool {
	return (err == nil || err == io.EOF) && info.Err == nil && !info.BytesReceived //nolint:errorlint // grpc's own sentinel, never wrapped
}

// local completes the error of an attempt on which nothing was received: grpc itself
// made it.
func local(e *enmesh.Error, st *status.Status, info balancer.DoneInfo) {
	text := st.Message()
	switch {
	case info.Err == errUnwritten: //nolint:errorlint // identity
		e.Unsent, e.Flag = true, enmesh.FlagConnectFailure
	case text == textGoAway, text == textDraining:
		e.Unsent, e.Outcome = true, enmesh.Neutral // it finishes what it has, as it should
	case !info.BytesSent, strings.HasPrefix(text, textReset) && strings.HasSuffix(text, textRefused):
		e.Unsent, e.Flag = true, enmesh.FlagConnectFailure
	case e.Code == enmesh.Unavailable:
		e.Flag = enmesh.FlagConnectionEnded
	case (e.Code == enmesh.Internal || e.Code == enmesh.ResourceExhausted) && !strings.HasPrefix(text, textReset):
		e.Outcome = enmesh.Neutral // the message could not be encoded, or is too large to send
	}
}

// errUnprocessed is what gates hear of an attempt that the far side's transport
// refused while the request was being sent, and that grpc has sent again by itself.
var errUnprocessed = &enmesh.Error{
	Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Unsent: true,
	Err: errors.New("meshgrpc: the far side did not process the call"),
}

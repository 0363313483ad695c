// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	commonpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/fault/v3"
	faultpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	typepb "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/enmesh-go/enmesh/resilience/fault"
)

// faultOf is the faults of a rule; nil: there are none.
func faultOf(f fault.Config) *faultpb.HTTPFault {
	out := &faultpb.HTTPFault{}
	if f.Delay > 0 && f.DelayPPM > 0 {
		out.Delay = &commonpb.FaultDelay{
			FaultDelaySecifier: &commonpb.FaultDelay_FixedDelay{FixedDelay: durationpb.New(f.Delay)},
			Percentage:         million(f.DelayPPM),
		}
	}
	if f.AbortPPM > 0 {
		out.Abort = &faultpb.FaultAbort{Percentage: million(f.AbortPPM)}
		if f.HasAbortCode {
			out.Abort.ErrorType = &faultpb.FaultAbort_GrpcStatus{GrpcStatus: uint32(f.AbortCode)}
		} else {
			out.Abort.ErrorType = &faultpb.FaultAbort_HttpStatus{HttpStatus: uint32(f.AbortStatus)}
		}
	}
	if out.Delay == nil && out.Abort == nil {
		return nil
	}
	return out
}

func million(ppm uint32) *typepb.FractionalPercent {
	return &typepb.FractionalPercent{Numerator: min(ppm, fault.Million), Denominator: typepb.FractionalPercent_MILLION}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	faultpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/resilience/fault"
)

// refused is the subset without instances, which no DestinationRule can define.
const refused = "(refused)"

// refuse has a route end the calls that it takes with UNAVAILABLE. gRPC's clients know no
// direct responses, and Java's and Node's reject them; what all are to fail calls by is the
// action of servers (gRFC A36). Node accepts that, too, and then throws an exception: there
// the calls go to a cluster without instances, if a fault does not end them before.
func (r *routes) refuse(made *routepb.Route, why string) {
	made.Name = why
	if r.notes.client != policy.GRPCNode {
		made.Action = &routepb.Route_NonForwardingAction{NonForwardingAction: &routepb.NonForwardingAction{}}
		return
	}
	to := enmesh.Destination{Service: r.service, Subset: refused, Port: r.port}
	made.Action = &routepb.Route_Route{Route: &routepb.RouteAction{
		ClusterSpecifier: &routepb.RouteAction_Cluster{Cluster: clusterName(to)},
	}}
	made.TypedPerFilterConfig = map[string]*anypb.Any{faultFilter: packed(&faultpb.HTTPFault{Abort: &faultpb.FaultAbort{
		Percentage: million(fault.Million),
		ErrorType:  &faultpb.FaultAbort_GrpcStatus{GrpcStatus: uint32(codes.Unavailable)},
	}})}
}

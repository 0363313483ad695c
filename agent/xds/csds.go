// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"context"
	"net"
	"os"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enmesh-go/enmesh/internal/loopback"
)

// csds is the client status discovery service: what every client has.
type csds struct {
	statusv3.UnimplementedClientStatusDiscoveryServiceServer
	server *Server
}

type csdsStream = statusv3.ClientStatusDiscoveryService_StreamClientStatusServer

// StreamClientStatus answers each request with the present state.
func (c *csds) StreamClientStatus(st csdsStream) error {
	for {
		req, err := st.Recv()
		if err != nil {
			return ended(err)
		}
		resp, err := c.FetchClientStatus(st.Context(), req)
		if err != nil {
			return err
		}
		if err := st.Send(resp); err != nil {
			return err
		}
	}
}

// maxDump bounds the contents of resources in one answer, in bytes.
const maxDump = 16 << 20

// FetchClientStatus answers once. Of node matchers, exact and prefix ones on the
// node id are known. When there is very much, the contents of the last resources are
// left out. There are no secrets in it: see [Redact].
func (c *csds) FetchClientStatus(ctx context.Context, req *statusv3.ClientStatusRequest) (*statusv3.ClientStatusResponse, error) {
	if err := c.server.mayDump(ctx); err != nil {
		return nil, err
	}
	var out statusv3.ClientStatusResponse
	contents := &contents{room: maxDump, told: map[*anypb.Any]*anypb.Any{}}
	if req.GetExcludeResourceContents() {
		contents.room = 0
	}
	for _, client := range c.server.Clients() {
		ok, err := matches(req.GetNodeMatchers(), client.Node)
		if err != nil {
			return nil, err
		}
		if ok {
			out.Config = append(out.Config, configOf(client, contents))
		}
	}
	return &out, nil
}

// mayDump says whether who asks may see what others were sent: over a unix socket our own
// user and root; else, unless there is a rule of who may see what, whoever asks in plaintext
// on loopback, by a loopback name, so that a web page elsewhere cannot (DNS rebinding).
func (s *Server) mayDump(ctx context.Context) error {
	p := connOf(ctx).peer
	switch {
	case p.Known:
		if p.UID == 0 || int(p.UID) == os.Geteuid() {
			return nil
		}
	case s.cfg.Allow == nil && p.Network == "tcp" && p.ID.IsZero() && byLoopbackName(ctx):
		return nil
	}
	return status.Error(codes.PermissionDenied, "xds: the status of all clients is told to the agent's own user, or on loopback where all may see all")
}

// byLoopbackName reports whether a call names this host.
func byLoopbackName(ctx context.Context) bool {
	names := metadata.ValueFromIncomingContext(ctx, ":authority")
	if len(names) != 1 {
		return false
	}
	host, _, err := net.SplitHostPort(names[0])
	if err != nil {
		host = names[0]
	}
	return loopback.Is(host)
}

// contents are the bodies of one answer. Clients share most of theirs.
type contents struct {
	room int                       // that is left, in bytes
	told map[*anypb.Any]*anypb.Any // without secrets
}

// of is a body as it is told, nil when there is none or no room for it.
func (c *contents) of(body *anypb.Any) *anypb.Any {
	size := len(body.GetValue())
	if size == 0 || size > c.room {
		return nil
	}
	c.room -= size
	one, known := c.told[body]
	if !known {
		one = Redact(body)
		c.told[body] = one
	}
	return one
}

// matches says whether one of the matchers, or none being there, takes n.
func matches(ms []*matcherv3.NodeMatcher, n *Node) (bool, error) {
	if len(ms) == 0 {
		return true, nil
	}
	for _, m := range ms {
		id := m.GetNodeId()
		if len(m.GetNodeMetadatas()) > 0 || id == nil {
			return false, status.Error(codes.InvalidArgument, "xds: only matchers on the node id are known")
		}
		ok, err := matchString(id, n.ID)
		if ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func matchString(m *matcherv3.StringMatcher, s string) (bool, error) {
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		if !m.GetIgnoreCase() {
			return p.Exact == s, nil
		}
	case *matcherv3.StringMatcher_Prefix:
		if !m.GetIgnoreCase() {
			return len(s) >= len(p.Prefix) && s[:len(p.Prefix)] == p.Prefix, nil
		}
	}
	return false, status.Error(codes.InvalidArgument, "xds: only exact and prefix matchers with case are known")
}

// configOf is a client in CSDS's form, with the contents that there is room for.
func configOf(c Client, bodies *contents) *statusv3.ClientConfig {
	out := &statusv3.ClientConfig{Node: coreNode(c.Node)}
	for _, r := range c.Resources {
		g := &statusv3.ClientConfig_GenericXdsConfig{
			TypeUrl:      r.Kind.TypeURL(),
			Name:         r.Name,
			VersionInfo:  r.Version,
			LastUpdated:  timestamppb.New(r.Since),
			ConfigStatus: configStatus(r.State),
			ClientStatus: clientStatus(r.State),
			XdsConfig:    bodies.of(r.Body),
		}
		if r.State == Rejected {
			g.ErrorState = &adminv3.UpdateFailureState{
				Details: r.Error, VersionInfo: r.Latest, LastUpdateAttempt: timestamppb.New(r.Since),
			}
		}
		out.GenericXdsConfigs = append(out.GenericXdsConfigs, g)
	}
	return out
}

func configStatus(s State) statusv3.ConfigStatus {
	switch s {
	case Accepted:
		return statusv3.ConfigStatus_SYNCED
	case Sent:
		return statusv3.ConfigStatus_STALE
	case Rejected:
		return statusv3.ConfigStatus_ERROR
	}
	return statusv3.ConfigStatus_NOT_SENT
}

func clientStatus(s State) adminv3.ClientResourceStatus {
	switch s {
	case Accepted:
		return adminv3.ClientResourceStatus_ACKED
	case Rejected:
		return adminv3.ClientResourceStatus_NACKED
	case Missing, Denied:
		return adminv3.ClientResourceStatus_DOES_NOT_EXIST
	}
	return adminv3.ClientResourceStatus_REQUESTED
}

// coreNode is a node in the API's form.
func coreNode(n *Node) *corev3.Node {
	out := &corev3.Node{
		Id: n.ID, Cluster: n.Cluster, UserAgentName: n.Client,
		UserAgentVersionType: &corev3.Node_UserAgentVersion{UserAgentVersion: n.Version},
		Locality:             &corev3.Locality{Region: n.Region, Zone: n.Zone, SubZone: n.SubZone},
		ClientFeatures:       n.Features,
	}
	if meta, err := structpb.NewStruct(n.Metadata); err == nil && len(n.Metadata) > 0 {
		out.Metadata = meta
	}
	return out
}

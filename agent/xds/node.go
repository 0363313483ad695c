// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"errors"
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
)

// Node is who a client says it is, in the first request of its stream. Over mutual
// TLS the namespace and the service account are those of its certificate.
type Node struct {
	ID, Cluster               string
	Region, Zone, SubZone     string
	Client                    string // user_agent_name: "gRPC Go", "gRPC C-core", "gRPC Node Pure JS", ...
	Version                   string // user_agent_version
	Namespace, ServiceAccount string // metadata "namespace" and "service_account", or Istio's NAMESPACE and SERVICE_ACCOUNT
	Labels                    map[string]string
	Metadata                  map[string]any
	Features                  []string // client_features
	Peer                      Peer     // who the connection says it is
	Resumed                   bool     // it has something already, as the first request of its stream says by a version
}

// errNoNode says that a stream began without saying who it is.
var errNoNode = errors.New("the first request has no node id")

// nodeOf reads n within the bounds of lim.
func nodeOf(n *corev3.Node, peer Peer, lim Limits) (*Node, error) {
	switch {
	case n.GetId() == "":
		return nil, errNoNode
	case len(n.GetId()) > lim.NodeID:
		return nil, fmt.Errorf("the node id has %d bytes, at most %d are allowed", len(n.GetId()), lim.NodeID)
	case len(n.GetCluster()) > lim.NodeID:
		return nil, fmt.Errorf("the node cluster has %d bytes, at most %d are allowed", len(n.GetCluster()), lim.NodeID)
	case proto.Size(n) > lim.NodeBytes:
		return nil, fmt.Errorf("the node has %d bytes, at most %d are allowed", proto.Size(n), lim.NodeBytes)
	}
	meta := n.GetMetadata().AsMap()
	node := &Node{
		ID: n.GetId(), Cluster: n.GetCluster(),
		Region: n.GetLocality().GetRegion(), Zone: n.GetLocality().GetZone(), SubZone: n.GetLocality().GetSubZone(),
		Client: n.GetUserAgentName(), Version: n.GetUserAgentVersion(),
		Namespace:      metaString(meta, "namespace"),
		ServiceAccount: metaString(meta, "service_account"),
		Labels:         metaLabels(meta),
		Metadata:       meta,
		Features:       n.GetClientFeatures(),
		Peer:           peer,
	}
	if l := max(len(node.Namespace), len(node.ServiceAccount)); l > lim.NodeID {
		return nil, fmt.Errorf("the node's namespace or service account has %d bytes, at most %d are allowed", l, lim.NodeID)
	}
	if err := node.bind(); err != nil {
		return nil, err
	}
	return node, nil
}

// bind holds what a node says of itself against the certificate of its
// connection, when there is one: the certificate decides.
func (n *Node) bind() error {
	ns, account := n.Peer.ID.Namespace(), n.Peer.ID.ServiceAccount()
	if ns == "" {
		return nil
	}
	if n.Namespace != "" && n.Namespace != ns || n.ServiceAccount != "" && n.ServiceAccount != account {
		return fmt.Errorf("node %q says it is %s/%s, its certificate says %s", n.ID, n.Namespace, n.ServiceAccount, n.Peer.ID)
	}
	n.Namespace, n.ServiceAccount = ns, account
	return nil
}

// metaString is a string of the metadata, by the key in lower or upper case.
func metaString(meta map[string]any, key string) string {
	if s, ok := meta[key].(string); ok {
		return s
	}
	s, _ := meta[strings.ToUpper(key)].(string)
	return s
}

// metaLabels are the metadata's labels, as far as they are strings.
func metaLabels(meta map[string]any) map[string]string {
	raw, ok := meta["labels"].(map[string]any)
	if !ok {
		raw, _ = meta["LABELS"].(map[string]any)
	}
	if len(raw) == 0 {
		return nil
	}
	labels := make(map[string]string, len(raw))
	for k, v := range raw {
		if s, ok := v.(string); ok {
			labels[k] = s
		}
	}
	return labels
}

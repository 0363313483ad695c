// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"crypto/tls"

	"github.com/enmesh-go/enmesh"
)

// A Source knows the clusters. Cluster never returns nil and does not block: an
// unknown service begins to be resolved on first use, and one that cannot exist has
// a cluster that refuses. The same destination and protocol give the same *Cluster
// while anybody may use it. It is called for every call.
type Source interface {
	Cluster(d enmesh.Destination, p enmesh.Protocol) *Cluster
}

// A TLSSource says how an endpoint is dialled. A Source may be one too; adapters ask
// on every dial. nil means plaintext. Between dials an adapter may remember whether
// it was nil for as long as the cluster publishes no new [Set]: a Source that changes
// its mind publishes one, by [Cluster.Configure]. A configuration for an endpoint that must not
// be trusted, its identity being unknown, refuses in its VerifyConnection.
type TLSSource interface {
	ClientTLS(e *Endpoint) *tls.Config
}

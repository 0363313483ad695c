// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"maps"
	"slices"

	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlspb "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherpb "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security"
)

// tlsSocket is the only name that gRPC takes.
const tlsSocket = "envoy.transport_sockets.tls"

// nobody is a name that no certificate has: whoever must show it is refused.
const nobody = "spiffe://nobody.invalid/nobody"

// secured is how connections to a cluster are secured; nil: they are in plaintext. What
// cannot be done as it is meant is refused in every handshake, or, where workloads have no
// certificates to refuse one with, by a cluster without instances: see blocked.
func (c *clusters) secured(d enmesh.Destination, t policy.TLS, eps []discovery.Endpoint, origin string) *corepb.TransportSocket {
	if why := c.blocked(t); why != "" {
		c.notes.add(policy.Rejected, origin, why+": calls are refused")
		if c.cfg.Certificates == "" {
			return nil
		}
		return c.upstream([]string{nobody})
	}
	if t.Mode == policy.TLSDisable || c.cfg.Certificates == "" {
		return nil
	}
	names, strangers := c.expected(d, t, eps)
	if strangers && len(names) == 0 && t.Mode == policy.TLSAuto && c.policy.Security.PlaintextToStrangers() {
		return nil
	}
	switch {
	case len(names) == 0:
		names = []string{nobody}
		if len(eps) > 0 {
			c.notes.add(policy.Rejected, origin, "no instance has an identity to expect: calls are refused; give them service accounts, or set the tls mode DISABLE")
		}
	case strangers:
		c.notes.add(policy.Approximated, origin, "some instances have no identity, and are not connected to: gRPC secures all of a cluster alike")
	}
	return c.upstream(names)
}

// blocked says why connections cannot be secured as policy demands; "": they can.
func (c *clusters) blocked(t policy.TLS) string {
	switch {
	case t.Mode == policy.TLSSimple, t.Mode == policy.TLSMutual:
		return "tls mode " + t.Mode.String() + " needs files that the bootstrap of workloads does not name"
	case t.Mode == policy.TLSIstioMutual && c.cfg.Certificates == "":
		return "tls mode ISTIO_MUTUAL needs certificates, and workloads have none"
	}
	return ""
}

// expected are the names of which an instance must show one, and whether some instances
// are known to have none.
func (c *clusters) expected(d enmesh.Destination, t policy.TLS, eps []discovery.Endpoint) (names []string, strangers bool) {
	if list := t.SubjectAltNames.List(); len(list) > 0 {
		return list, false
	}
	labels, _ := c.policy.Destination(d.Service).Labels(d.Subset)
	found := map[string]bool{}
	for i := range eps {
		if d.Subset != "" && !holds(eps[i].Labels, labels) {
			continue
		}
		id, err := security.IDFor(c.cfg.TrustDomain, eps[i].Namespace, eps[i].ServiceAccount)
		if err != nil || eps[i].ServiceAccount == "" {
			strangers = true
			continue
		}
		found[id.String()] = true
	}
	return slices.Sorted(maps.Keys(found)), strangers
}

// upstream is mutual TLS with whoever shows one of names.
func (c *clusters) upstream(names []string) *corepb.TransportSocket {
	var sans []*matcherpb.StringMatcher
	for _, name := range names {
		sans = append(sans, exactly(name, false))
	}
	common := certificates(c.cfg.Certificates)
	common.GetValidationContext().MatchSubjectAltNames = sans //nolint:staticcheck // the typed form that came after it is ignored by gRPC
	return socket(&tlspb.UpstreamTlsContext{CommonTlsContext: common})
}

// downstream is mutual TLS with whoever the roots vouch for.
func downstream(provider string) *corepb.TransportSocket {
	return socket(&tlspb.DownstreamTlsContext{
		CommonTlsContext: certificates(provider), RequireClientCertificate: wrapperspb.Bool(true),
	})
}

// certificates takes the own certificate and the roots from a provider of the bootstrap.
func certificates(provider string) *tlspb.CommonTlsContext {
	instance := &tlspb.CertificateProviderPluginInstance{InstanceName: provider}
	return &tlspb.CommonTlsContext{
		TlsCertificateProviderInstance: instance,
		ValidationContextType: &tlspb.CommonTlsContext_ValidationContext{
			ValidationContext: &tlspb.CertificateValidationContext{CaCertificateProviderInstance: instance},
		},
	}
}

func socket(config proto.Message) *corepb.TransportSocket {
	return &corepb.TransportSocket{
		Name: tlsSocket, ConfigType: &corepb.TransportSocket_TypedConfig{TypedConfig: packed(config)},
	}
}

// holds reports whether labels has all of wanted.
func holds(labels, wanted map[string]string) bool {
	for key, value := range wanted {
		if got, ok := labels[key]; !ok || got != value {
			return false
		}
	}
	return true
}

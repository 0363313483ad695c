// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package extgrpc

import (
	"encoding/pem"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enmesh-go/enmesh"
)

// question describes the call as Envoy does.
func (k *Checker) question(c *enmesh.Call) *auth.CheckRequest {
	path := c.Path
	if c.Protocol == enmesh.HTTP {
		path = (&url.URL{Path: c.Path, RawQuery: c.Query}).RequestURI()
	}
	protocol := "HTTP/1.1"
	if c.Protocol == enmesh.GRPC {
		protocol = "HTTP/2"
	}
	a := &auth.AttributeContext{
		Source:      k.source(c.Source),
		Destination: &auth.AttributeContext_Peer{Service: legal(c.Service)},
		Request: &auth.AttributeContext_Request{
			Time: timestamppb.Now(),
			Http: &auth.AttributeContext_HttpRequest{
				Method: legal(c.Method), Path: legal(path), Host: legal(c.Authority), Scheme: legal(c.Scheme),
				Headers: k.headers(c, path), Protocol: protocol, Size: -1,
			},
		},
		ContextExtensions: k.cfg.ContextExtensions,
	}
	if c.Header != nil {
		a.Request.Http.Id = legal(c.Header.Get("X-Request-Id"))
	}
	if p := c.Source; p != nil {
		a.Destination.Address = address(p.Local)
		if p.TLS != nil && p.TLS.ServerName != "" {
			a.TlsSession = &auth.AttributeContext_TLSSession{Sni: legal(p.TLS.ServerName)}
		}
	}
	return &auth.CheckRequest{Attributes: a}
}

// source is who calls: the address of the connection, and the ID that was verified.
func (k *Checker) source(p *enmesh.Peer) *auth.AttributeContext_Peer {
	if p == nil {
		return &auth.AttributeContext_Peer{}
	}
	out := &auth.AttributeContext_Peer{Address: address(p.Addr), Principal: legal(p.Identity)}
	if k.cfg.IncludePeerCertificate && p.Identity != "" && p.TLS != nil && len(p.TLS.PeerCertificates) > 0 {
		leaf := p.TLS.PeerCertificates[0]
		out.Certificate = url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})))
	}
	return out
}

func address(a netip.AddrPort) *core.Address {
	if !a.IsValid() {
		return nil
	}
	return &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
		Address:       a.Addr().Unmap().WithZone("").String(),
		PortSpecifier: &core.SocketAddress_PortValue{PortValue: uint32(a.Port())},
	}}}
}

// headers are those that are listed, in lower case, and HTTP/2's own. Several values of one
// are joined by commas, as Envoy does.
func (k *Checker) headers(c *enmesh.Call, path string) map[string]string {
	out := map[string]string{}
	if c.Header != nil {
		for _, name := range k.cfg.include.Exact() {
			add(out, c.Header, name)
		}
		if k.cfg.include.Patterns() {
			for name := range enmesh.KeysOf(c.Header) {
				if k.cfg.include.Has(name) {
					add(out, c.Header, name)
				}
			}
		}
	}
	for name, value := range map[string]string{":method": c.Method, ":path": path, ":authority": c.Authority, ":scheme": c.Scheme} {
		out[name] = legal(value)
	}
	return out
}

func add(to map[string]string, from enmesh.Header, name string) {
	if strings.HasPrefix(name, ":") {
		return
	}
	if values := from.Values(name); len(values) > 0 {
		to[legal(strings.ToLower(name))] = legal(strings.Join(values, ","))
	}
}

// legal is a text that can be sent: a caller must not escape the question by one that
// cannot, where the configuration fails open.
func legal(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

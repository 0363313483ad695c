// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/enmesh-go/enmesh/discovery"
)

// endpoint reads one endpoint.
func (w *walker) endpoint(n *yaml.Node, path string) discovery.Endpoint {
	var e discovery.Endpoint
	before := len(w.errs)
	w.mapping(n, path, func(key string, k, v *yaml.Node, path string) { w.endpointField(&e, key, k, v, path) })
	if len(w.errs) > before {
		return e
	}
	if len(e.Addrs) == 0 {
		w.fail(n, path, "it has no address; give address: host:port")
	}
	for _, a := range e.Addrs {
		if problem := checkAddr(a, len(e.Ports) == 0); problem != "" {
			w.fail(n, path+".address", "%q %s", brief(a), problem)
		}
	}
	return e
}

func (w *walker) endpointField(e *discovery.Endpoint, key string, k, v *yaml.Node, path string) {
	switch key {
	case "address":
		e.Addrs = append(e.Addrs, w.text(v, path))
	case "addresses":
		w.sequence(v, path, func(_ int, item *yaml.Node, path string) { e.Addrs = append(e.Addrs, w.text(item, path)) })
	case "ports":
		e.Ports = w.ports(v, path)
	case "weight":
		weight := w.number(v, path, 1<<32-1)
		e.Weight, e.Draining = uint32(weight), e.Draining || weight == 0
	case "priority":
		e.Priority = uint32(w.number(v, path, 1<<32-1))
	case "locality":
		e.Locality = w.locality(v, path)
	case "labels":
		e.Labels = w.texts(v, path)
	case "version":
		e.Version = w.text(v, path)
	case "serviceAccount":
		e.ServiceAccount = w.text(v, path)
	case "namespace":
		e.Namespace = w.text(v, path)
	case "draining":
		e.Draining = w.boolean(v, path) || e.Draining
	case "metadata":
		e.Metadata = w.texts(v, path)
	default:
		w.fail(k, path, "unknown field; there are address, addresses, ports, weight, priority, locality, labels, "+
			"version, serviceAccount, namespace, draining and metadata")
	}
}

func (w *walker) ports(n *yaml.Node, path string) []discovery.Port {
	var ports []discovery.Port
	w.sequence(n, path, func(_ int, item *yaml.Node, path string) {
		p := w.port(item, path)
		if slices.ContainsFunc(ports, func(o discovery.Port) bool { return o.Number == p.Number && o.Protocol == p.Protocol }) {
			w.fail(item, path, "port %d is listed already for the same protocol; keep one", p.Number)
		}
		ports = append(ports, p)
	})
	return ports
}

func (w *walker) port(n *yaml.Node, path string) discovery.Port {
	var p discovery.Port
	before := len(w.errs)
	w.mapping(n, path, func(key string, k, v *yaml.Node, path string) {
		switch key {
		case "name":
			p.Name = w.text(v, path)
		case "number":
			p.Number = uint16(w.number(v, path, 1<<16-1))
		case "target":
			p.Target = uint16(w.number(v, path, 1<<16-1))
		case "protocol":
			p.Protocol = w.text(v, path)
			if !slices.Contains([]string{"http", "http2", "grpc", "tcp"}, p.Protocol) {
				w.fail(v, path, "%q is no protocol; it is http, http2, grpc or tcp, or left out for any", brief(p.Protocol))
			}
		default:
			w.fail(k, path, "unknown field; there are name, number, target and protocol")
		}
	})
	if p.Number == 0 && len(w.errs) == before {
		w.fail(n, path, "it has no number; give the service's port, 1 to 65535")
	}
	return p
}

func (w *walker) locality(n *yaml.Node, path string) discovery.Locality {
	l, err := discovery.ParseLocality(w.text(n, path))
	if err != nil {
		w.fail(n, path, "%q is no locality; it is region/zone/subzone, with parts left out from the right only", brief(n.Value))
	}
	return l
}

// texts reads a mapping of names to text.
func (w *walker) texts(n *yaml.Node, path string) map[string]string {
	m := make(map[string]string)
	w.mapping(n, path, func(key string, _, v *yaml.Node, path string) { m[key] = w.text(v, path) })
	return m
}

// text reads a string. A number or a boolean there was meant as one, but YAML may
// have changed what it says (1.10, 0x1F, no), so quotes are asked for.
func (w *walker) text(n *yaml.Node, path string) string {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		return n.Value
	}
	w.fail(n, path, "it is %s; text belongs here, in quotes if need be", kindOf(n))
	return ""
}

// number reads a decimal from 0 to most.
func (w *walker) number(n *yaml.Node, path string, most uint64) uint64 {
	octal := len(n.Value) > 1 && n.Value[0] == '0' // YAML reads 010 as 8, JSON not at all
	if n.Kind == yaml.ScalarNode && n.Tag == "!!int" && !octal {
		if v, err := strconv.ParseUint(n.Value, 10, 64); err == nil && v <= most {
			return v
		}
	}
	w.fail(n, path, "it is %s; a whole number from 0 to %d belongs here", kindOf(n), most)
	return 0
}

func (w *walker) boolean(n *yaml.Node, path string) bool {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!bool" {
		if v, err := strconv.ParseBool(n.Value); err == nil {
			return v
		}
	}
	w.fail(n, path, "it is %s; true or false belongs here", kindOf(n))
	return false
}

// checkAddr says what is wrong with host:port, or with a host where ports are
// given separately; "" is nothing.
func checkAddr(addr string, needPort bool) string {
	host, port, err := net.SplitHostPort(addr)
	switch {
	case err == nil:
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "has no port from 1 to 65535"
		}
	case needPort:
		return "is not host:port; add the port, or list ports"
	default:
		host = addr
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && ip.Zone() == "" {
		return ""
	}
	if !isHostName(host) {
		return "has a host that is neither an IP address nor a DNS name; no scheme, path or zone belongs here"
	}
	return ""
}

// isHostName reports whether s is made of DNS labels. Underscores are let pass:
// container networks use them.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}) {
			return false
		}
	}
	return true
}

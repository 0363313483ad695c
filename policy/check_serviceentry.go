// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/security"
)

// portProtocols is what Istio knows as the protocol of a port, in lower case, and what
// enmesh takes it for; "" is what it does not carry.
var portProtocols = map[string]string{
	"http": "http", "http2": "http2", "grpc": "grpc", "grpc-web": "grpc", "grpc_web": "grpc",
	"https": "https", "tls": "https",
	"tcp": "", "mongo": "", "redis": "", "mysql": "", "udp": "", "http_proxy": "", "hbone": "",
}

// checkServiceEntry holds Istio's rules for a ServiceEntry.
func checkServiceEntry(c cursor, se *networking.ServiceEntry) {
	checkEntryHosts(c.field("hosts"), se)
	for i, address := range se.GetAddresses() {
		if _, err := netip.ParsePrefix(address); err != nil && !isAddress(address) {
			c.field("addresses").item(i).refuse("%q is no address: write an IP or a CIDR", clip(address))
		}
	}
	checkServicePorts(c.field("ports"), se)
	if se.GetWorkloadSelector() != nil && len(se.GetEndpoints()) > 0 {
		c.field("workloadSelector").refuse("endpoints and workloadSelector exclude one another: remove one")
	}
	checkLabels(c.field("workloadSelector").field("labels"), se.GetWorkloadSelector().GetLabels())
	at := c.field("endpoints")
	checkSize(at, len(se.GetEndpoints()))
	checkResolution(at, se)
	for i, e := range se.GetEndpoints() {
		checkEndpoint(at.item(i), e, se)
	}
	checkExportTo(c.field("exportTo"), se.GetExportTo())
	checkAltNames(c.field("subjectAltNames"), se.GetSubjectAltNames())
}

// checkAltNames holds the rule for names that certificates have.
func checkAltNames(c cursor, names []string) {
	for i, name := range names {
		if strings.TrimSpace(name) == "" || strings.ContainsAny(name, "\n") {
			c.item(i).refuse("%q is no name: correct or remove it", clip(name))
		}
	}
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// isWild reports whether a host stands for several.
func isWild(host string) bool { return strings.HasPrefix(host, "*") }

func checkEntryHosts(c cursor, se *networking.ServiceEntry) {
	if len(se.GetHosts()) == 0 {
		c.refuse("no host is named: add hosts")
	}
	checkSize(c, len(se.GetHosts()))
	byName := len(se.GetEndpoints()) == 0 && se.GetWorkloadSelector() == nil
	for i, host := range se.GetHosts() {
		at := c.item(i)
		switch r := se.GetResolution(); {
		case host == "*":
			at.refuse(`"*" would be every host: name some, such as "*.example.com"`)
		case isWild(host) && byName && (r == networking.ServiceEntry_DNS || r == networking.ServiceEntry_DNS_ROUND_ROBIN):
			at.refuse("%q cannot be looked up in DNS: add endpoints, or use the resolution NONE or DYNAMIC_DNS", clip(host))
		case !isWild(host) && r == networking.ServiceEntry_DYNAMIC_DNS:
			at.refuse("%q is no wildcard, and DYNAMIC_DNS is for wildcards only: use DNS", clip(host))
		default:
			checkHost(at, host)
		}
	}
}

// checkServicePorts holds the rules for the ports of a service.
func checkServicePorts(c cursor, se *networking.ServiceEntry) {
	checkSize(c, len(se.GetPorts()))
	if len(se.GetPorts()) == 0 {
		c.note(Warned, "no port is named: the hosts have no endpoints, and calls to them fail")
	}
	numbers, names := map[uint32]bool{}, map[string]bool{}
	for i, p := range se.GetPorts() {
		at := c.item(i)
		checkPort(at.field("number"), p.GetNumber())
		checkDNSLabel(at.field("name"), p.GetName(), "port")
		if p.GetTargetPort() != 0 {
			checkPort(at.field("targetPort"), p.GetTargetPort())
		}
		if numbers[p.GetNumber()] {
			at.field("number").refuse("port %d stands twice: remove one", p.GetNumber())
		}
		if names[p.GetName()] {
			at.field("name").refuse("port %q stands twice: remove one", clip(p.GetName()))
		}
		numbers[p.GetNumber()], names[p.GetName()] = true, true
		checkProtocol(at.field("protocol"), p.GetProtocol(), se)
	}
}

func checkProtocol(c cursor, name string, se *networking.ServiceEntry) {
	of, known := portProtocols[strings.ToLower(name)]
	switch {
	case name == "":
	case !known:
		c.refuse("%q is no protocol of a port: write HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS", clip(name))
	case of != "":
	case len(se.GetHosts()) > 1 && se.GetResolution() != networking.ServiceEntry_NONE:
		c.refuse("several hosts cannot be told apart at a port of %s: write a document for each", strings.ToUpper(name))
	default:
		c.note(Ignored, l4.message)
	}
}

// checkResolution holds what a resolution asks of the endpoints.
func checkResolution(c cursor, se *networking.ServiceEntry) {
	switch n := len(se.GetEndpoints()); se.GetResolution() {
	case networking.ServiceEntry_NONE:
		if n > 0 {
			c.refuse("the resolution NONE has no endpoints: remove them, or use STATIC or DNS")
		}
	case networking.ServiceEntry_STATIC:
		if n == 0 && se.GetWorkloadSelector() == nil {
			c.note(Warned, "the resolution STATIC and no endpoints: calls to the hosts fail")
		}
	case networking.ServiceEntry_DNS_ROUND_ROBIN:
		if n > 1 {
			c.refuse("the resolution DNS_ROUND_ROBIN has at most one endpoint: use DNS for %d", n)
		}
	case networking.ServiceEntry_DYNAMIC_DNS:
		if n > 0 {
			c.note(Ignored, "the resolution DYNAMIC_DNS has no endpoints, as in Istio")
		}
	}
}

// checkEndpoint holds the rules for an endpoint of a ServiceEntry, or for a WorkloadEntry,
// of which se is nil.
func checkEndpoint(c cursor, e *networking.WorkloadEntry, se *networking.ServiceEntry) {
	checkEndpointAddress(c.field("address"), e, se)
	for name, number := range e.GetPorts() {
		at := c.field("ports").entry(name)
		checkPort(at, number)
		if se != nil && !slices.ContainsFunc(se.GetPorts(), func(p *networking.ServicePort) bool { return p.GetName() == name }) {
			at.refuse("the ServiceEntry has no port %q: name one of its ports", clip(name))
		}
	}
	checkLabels(c.field("labels"), e.GetLabels())
	if strings.Count(e.GetLocality(), "/") > 2 {
		c.field("locality").refuse(`%q is no locality: write "region/zone/subzone"`, clip(e.GetLocality()))
	}
	if account := e.GetServiceAccount(); account != "" {
		if _, err := security.IDFor("cluster.local", c.doc.namespace, account); err != nil {
			c.field("serviceAccount").refuse("%q is no name of a service account: %v", clip(account), err)
		}
	}
}

// unixScheme begins the address of a socket.
const unixScheme = "unix://"

func checkEndpointAddress(c cursor, e *networking.WorkloadEntry, se *networking.ServiceEntry) {
	address := e.GetAddress()
	static := se.GetResolution() == networking.ServiceEntry_STATIC || se.GetResolution() == networking.ServiceEntry_NONE
	switch {
	case address == "" && e.GetNetwork() != "":
		c.note(Warned, "no address, and networks are not told apart: the endpoint is left out")
	case address == "":
		c.refuse("the address is missing: add one")
	case isAddress(address):
	case strings.HasPrefix(address, unixScheme) && se != nil && !static:
		c.refuse("a socket cannot be looked up in DNS: use the resolution STATIC")
	case strings.HasPrefix(address, unixScheme) && se != nil && len(se.GetPorts()) != 1:
		c.refuse("a socket serves one port, and the ServiceEntry has %s: write a document for each", strconv.Itoa(len(se.GetPorts())))
	case strings.HasPrefix(address, unixScheme):
		c.note(Rejected, "sockets of this host are not connected to: the endpoint is left out")
	case se != nil && static:
		c.refuse("%q is no IP address, which the resolution STATIC needs: write one, or use DNS", clip(address))
	case isWild(address):
		c.refuse("%q stands for many: write one name", clip(address))
	default:
		checkHost(c, address)
	}
}

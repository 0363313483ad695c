// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh/agent/translate"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/security"
)

// Defaults of [Config].
const (
	DefaultServer              = "unix:///run/enmesh/xds.sock"
	DefaultNamespace           = "default"
	DefaultCertificateProvider = "default"
	DefaultRefresh             = 10 * time.Second
)

// Config says who a workload is and where its agent. The zero value is a workload that
// nothing is known of but its namespace, "default", at the agent of its host.
type Config struct {
	// Server is where the agent serves: "unix:///run/enmesh/xds.sock", an absolute path of
	// a socket, or host:port. "" is [DefaultServer].
	Server string
	// Fallback are further servers, of the same forms. A client asks the next one when the
	// one before cannot be reached and it needs something that it does not have.
	Fallback []string
	// TLS asks servers at a host:port with the workload's certificate, instead of in
	// plaintext, which is refused beyond this host. It needs Certificates. The client
	// compares the server's certificate with the host, so that needs a DNS name or an IP
	// address beside its SPIFFE ID.
	TLS bool

	// NodeID tells clients apart. "" is made of the service account, the namespace and the
	// name of this host. At most 1024 bytes.
	NodeID string
	// Cluster is a name for all instances of the workload; it has no effect. "" is the
	// service account, else "enmesh".
	Cluster string
	// Region, Zone and SubZone are where the workload is. A zone needs a region, a sub-zone
	// a zone.
	Region, Zone, SubZone string
	// Namespace is the workload's; "" is "default".
	Namespace string
	// ServiceAccount is the workload's identity within its namespace; "" is none.
	ServiceAccount string
	// Labels are the workload's, by which policies select it.
	Labels map[string]string

	// Certificates is the directory of the workload's cert.pem, key.pem and ca.pem. "": the
	// workload has no identity, and policy that demands one is refused. It must be absolute,
	// as the program's working directory is not known.
	Certificates string
	// CertificateProvider is the name by which the agent calls the directory: that of its
	// agent.Config. "" is "default".
	CertificateProvider string
	// Refresh is how often clients read the directory. 0 means 10 s; less than 1 s is
	// refused. It should be well below half a certificate's life.
	Refresh time.Duration

	// ServerListener is how a server asks for its listener, with %s for the address. "" is
	// translate.ServerListenerTemplate; that of Istio's agent is understood, too.
	ServerListener string
	// KeepDeleted has clients keep using what the agent does not have any more
	// (ignore_resource_deletion). The agent guards against sudden losses itself, so that
	// this is for those who trust it less.
	KeepDeleted bool
}

// complete fills in defaults and refuses what makes no sense.
func (c *Config) complete() error {
	c.Server = cmp.Or(c.Server, DefaultServer)
	c.Namespace = cmp.Or(c.Namespace, DefaultNamespace)
	c.Cluster = cmp.Or(c.Cluster, c.ServiceAccount, "enmesh")
	c.CertificateProvider = cmp.Or(c.CertificateProvider, DefaultCertificateProvider)
	c.Refresh = cmp.Or(c.Refresh, DefaultRefresh)
	c.ServerListener = cmp.Or(c.ServerListener, translate.ServerListenerTemplate)
	if c.NodeID == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("bootstrap: NodeID is empty, and this host has no name: %w", err)
		}
		c.NodeID = cmp.Or(c.ServiceAccount, "workload") + "." + c.Namespace + "@" + host
	}
	return errors.Join(c.who(), c.where(), c.proof())
}

// who checks what is said of the workload.
func (c *Config) who() error {
	if _, err := security.IDFor("cluster.local", c.Namespace, cmp.Or(c.ServiceAccount, "none")); err != nil {
		return fmt.Errorf("bootstrap: Namespace is %q and ServiceAccount %q: %w", c.Namespace, c.ServiceAccount, err)
	}
	for key := range c.Labels {
		if key == "" {
			return errors.New("bootstrap: Labels has a label without a key")
		}
	}
	switch {
	case len(c.NodeID) > xds.DefaultNodeID:
		return fmt.Errorf("bootstrap: NodeID has %d bytes; at most %d are allowed", len(c.NodeID), xds.DefaultNodeID)
	case c.Zone != "" && c.Region == "":
		return fmt.Errorf("bootstrap: Zone is %q and Region is empty; a zone lies in a region", c.Zone)
	case c.SubZone != "" && c.Zone == "":
		return fmt.Errorf("bootstrap: SubZone is %q and Zone is empty; a sub-zone lies in a zone", c.SubZone)
	}
	return nil
}

// where checks how listeners are asked for, and of whom.
func (c *Config) where() error {
	if n := strings.Count(c.ServerListener, "%s"); n != 1 {
		return fmt.Errorf("bootstrap: ServerListener %q has %d times %%s; once is needed, for the address", c.ServerListener, n)
	}
	seen := map[string]bool{}
	for i, text := range c.addresses() {
		s, err := parseServer(text)
		name := "Server"
		if i > 0 {
			name = fmt.Sprintf("Fallback[%d]", i-1)
		}
		switch {
		case err != nil:
			return fmt.Errorf("bootstrap: %s is %q: %w", name, text, err)
		case seen[s.uri]:
			return fmt.Errorf("bootstrap: %s is %q, which stands there twice", name, text)
		case !s.local && !c.TLS:
			return fmt.Errorf("bootstrap: %s is %q, which is not on this host: set TLS", name, text)
		}
		seen[s.uri] = true
	}
	return nil
}

// addresses are all servers, in their order.
func (c *Config) addresses() []string { return append([]string{c.Server}, c.Fallback...) }

// proof checks where the certificates are.
func (c *Config) proof() error {
	switch {
	case c.TLS && c.Certificates == "":
		return errors.New("bootstrap: TLS is set and Certificates is empty; the workload needs a certificate to show")
	case c.Certificates != "" && !filepath.IsAbs(c.Certificates):
		return fmt.Errorf("bootstrap: Certificates is %q; it must be an absolute path", c.Certificates)
	case c.Refresh < time.Second:
		return fmt.Errorf("bootstrap: Refresh is %v; at least 1s is required", c.Refresh)
	}
	return nil
}

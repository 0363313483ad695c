// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/security/ca"
)

// The file, as clients read it.
type document struct {
	Servers              []xdsServer         `json:"xds_servers"`
	Node                 node                `json:"node"`
	CertificateProviders map[string]provider `json:"certificate_providers,omitempty"`
	ServerListener       string              `json:"server_listener_resource_name_template"`
}

type xdsServer struct {
	URI      string        `json:"server_uri"`
	Creds    []credentials `json:"channel_creds"`
	Features []string      `json:"server_features"`
}

type credentials struct {
	Type   string `json:"type"`
	Config *files `json:"config,omitempty"`
}

type node struct {
	ID       string   `json:"id"`
	Cluster  string   `json:"cluster"`
	Locality locality `json:"locality"`
	Metadata metadata `json:"metadata"`
}

type locality struct {
	Region  string `json:"region,omitempty"`
	Zone    string `json:"zone,omitempty"`
	SubZone string `json:"sub_zone,omitempty"`
}

type metadata struct {
	Namespace      string            `json:"namespace"`
	ServiceAccount string            `json:"service_account,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
}

type provider struct {
	Plugin string `json:"plugin_name"`
	Config files  `json:"config"`
}

// files are those of a certificate: cert and key in one directory, as clients demand.
type files struct {
	Certificate string `json:"certificate_file"`
	Key         string `json:"private_key_file"`
	Roots       string `json:"ca_certificate_file"`
	Refresh     string `json:"refresh_interval"`
}

// features of the server that clients are told of.
const (
	featureV3   = "xds_v3"
	featureKeep = "ignore_resource_deletion"
)

// JSON is the file's text: the same for the same Config, if that has a NodeID. It is an
// error when the Config makes no sense, which names the field.
func (c Config) JSON() ([]byte, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	doc := document{
		Node: node{
			ID: c.NodeID, Cluster: c.Cluster,
			Locality: locality{c.Region, c.Zone, c.SubZone},
			Metadata: metadata{c.Namespace, c.ServiceAccount, c.Labels},
		},
		ServerListener: c.ServerListener,
	}
	for _, text := range c.addresses() {
		doc.Servers = append(doc.Servers, c.server(text))
	}
	if c.Certificates != "" {
		doc.CertificateProviders = map[string]provider{c.CertificateProvider: {"file_watcher", *c.files()}}
	}
	return encode(doc)
}

// encode writes the document, without what HTML would need.
func encode(doc document) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	if out.Len() > xds.DefaultNodeBytes {
		return nil, fmt.Errorf("bootstrap: the file has %d bytes; at most %d are allowed, so that the agent takes the node", out.Len(), xds.DefaultNodeBytes)
	}
	return out.Bytes(), nil
}

// server is one that clients ask. complete has read its address before.
func (c *Config) server(text string) xdsServer {
	at, _ := parseServer(text)
	s := xdsServer{URI: at.uri, Creds: []credentials{{Type: "insecure"}}, Features: []string{featureV3}}
	if c.TLS && !at.unix {
		s.Creds = []credentials{{Type: "tls", Config: c.files()}}
	}
	if c.KeepDeleted {
		s.Features = append(s.Features, featureKeep)
	}
	return s
}

func (c *Config) files() *files {
	return &files{
		Certificate: filepath.Join(c.Certificates, ca.CertFile),
		Key:         filepath.Join(c.Certificates, ca.KeyFile),
		Roots:       filepath.Join(c.Certificates, ca.CAFile),
		Refresh:     strconv.FormatFloat(c.Refresh.Seconds(), 'f', -1, 64) + "s",
	}
}

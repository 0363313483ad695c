// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"path/filepath"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// The two workloads of every stack.
const (
	clientAccount = "client"
	serverAccount = "server"
	namespace     = "default"
	trustDomain   = "cluster.local"
)

// deadline is what stacks with a deadline give a call: far more than it needs.
const deadline = 2 * time.Second

// payload is what a call carries, both ways.
var payload = func() []byte {
	b := make([]byte, 100)
	for i := range b {
		b[i] = byte('a' + i%26)
	}
	return b
}()

// Env is what the processes of a run share: a directory with the certificates of
// both workloads and the policy files.
type Env struct {
	Dir string `json:"dir"`
}

// prepare writes the certificates of both workloads, and the policies.
func (e Env) prepare() error {
	authority, err := ca.NewDevelopment(trustDomain, ca.Config{TTL: 24 * time.Hour})
	if err != nil {
		return err
	}
	for _, account := range []string{clientAccount, serverAccount} {
		id, err := security.IDFor(trustDomain, namespace, account)
		if err != nil {
			return err
		}
		if err := authority.WriteFiles(filepath.Join(e.Dir, account), id); err != nil {
			return err
		}
	}
	return e.writePolicies()
}

// identity reads a workload's certificates. They do not change while a run lasts,
// and looking for it would be work that no call asked for: hence the long poll.
func (e Env) identity(account string) (*mtls.Files, error) {
	dir := filepath.Join(e.Dir, account)
	return mtls.NewFiles(mtls.FilesConfig{
		Cert: filepath.Join(dir, ca.CertFile),
		Key:  filepath.Join(dir, ca.KeyFile),
		CA:   filepath.Join(dir, ca.CAFile),
		Poll: time.Hour,
	})
}

// clientTLS is the client's side of mutual TLS, for stacks without a mesh.
func (e Env) clientTLS() (*tls.Config, func() error, error) {
	files, err := e.identity(clientAccount)
	if err != nil {
		return nil, nil, err
	}
	id, err := security.IDFor(trustDomain, namespace, serverAccount)
	if err != nil {
		return nil, nil, err
	}
	return mtls.Client(files, id), files.Close, nil
}

// serverTLS is the server's side.
func (e Env) serverTLS() (*tls.Config, func() error, error) {
	files, err := e.identity(serverAccount)
	if err != nil {
		return nil, nil, err
	}
	return mtls.Server(files), files.Close, nil
}

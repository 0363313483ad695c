// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// host is what runs on one machine: a folder, the programs in it, and their processes.
type host struct {
	source string // of this example
	node   string // program; "": none
	dir    string // of what is made here

	running []*process
}

// ours is the import path of the module's packages.
const ours = "github.com/enmesh-go/enmesh/"

// open makes a folder with the three programs and a copy of the policies.
func open(ctx context.Context, node, source string) (h *host, err error) {
	h = &host{source: source, node: node}
	if h.source == "" {
		out, err := output(ctx, "go", "list", "-f", "{{.Dir}}", ours+"examples/proxyless")
		if err != nil {
			return nil, err
		}
		h.source = strings.TrimSpace(out)
	}
	if h.dir, err = os.MkdirTemp("", "proxyless"); err != nil {
		return nil, err
	}
	_, err = output(ctx, "go", "build", "-o", h.dir+string(filepath.Separator),
		ours+"cmd/enmesh", ours+"examples/proxyless/server", ours+"examples/proxyless/client")
	if err == nil {
		err = os.CopyFS(h.at("policies"), os.DirFS(filepath.Join(h.source, "policies")))
	}
	if err == nil {
		err = h.register()
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// at is a path in the folder.
func (h *host) at(name string) string { return filepath.Join(h.dir, name) }

// close ends all processes, the last first, and removes the folder.
func (h *host) close() error {
	var errs []error
	for i := len(h.running) - 1; i >= 0; i-- {
		errs = append(errs, h.running[i].end())
	}
	return errors.Join(append(errs, os.RemoveAll(h.dir))...)
}

// register writes the registry of this example, which is a file.
func (h *host) register(addresses ...string) error {
	text := "services:\n  greeter:\n"
	if len(addresses) == 0 {
		text = "services: {greeter: []}\n"
	}
	for i, address := range addresses {
		text += fmt.Sprintf("  - {address: %q, labels: {app: greeter, version: v%d}, namespace: default, serviceAccount: greeter}\n", address, i+1)
	}
	return os.WriteFile(h.at("services.yaml"), []byte(text), 0o600)
}

// startAgent starts the agent, and writes the files by which workloads find it. It keeps
// certificates for those that are to have an identity.
func (h *host) startAgent(ctx context.Context) error {
	args := []string{"agent", "-endpoints", h.at("services.yaml"), "-policies", h.at("policies"),
		"-socket", h.at("xds.sock"), "-admin", "", "-ca", "own"}
	for _, account := range []string{"greeter", "web", "guest"} {
		args = append(args, "-issue", h.at("certs/"+account)+"=spiffe://cluster.local/ns/default/sa/"+account)
	}
	agent, err := start(nil, h.at("enmesh"), args...)
	if err != nil {
		return err
	}
	h.running = append(h.running, agent)
	for _, w := range []struct {
		name, account string
		more          []string
	}{
		{"greeter-v1", "greeter", []string{"-label", "app=greeter", "-label", "version=v1"}},
		{"greeter-v2", "greeter", []string{"-label", "app=greeter", "-label", "version=v2"}},
		{"web", "web", []string{"-label", "app=web"}},
		{"guest", "guest", []string{"-label", "app=guest"}},
	} {
		args := append([]string{"agent", "bootstrap", "-server", "unix://" + h.at("xds.sock"), "-node", w.name,
			"-service-account", w.account, "-certificates", h.at("certs/" + w.account), "-o", h.bootstrap(w.name)}, w.more...)
		if _, err := output(ctx, h.at("enmesh"), args...); err != nil {
			return err
		}
	}
	return agent.says(ctx, "the agent answers")
}

// bootstrap is the file of a workload.
func (h *host) bootstrap(workload string) string { return h.at(workload + ".json") }

// startServers starts one instance of each version, and tells the registry where they are.
func (h *host) startServers(ctx context.Context) error {
	var addresses []string
	for _, version := range []string{"v1", "v2"} {
		s, err := start(h.environment("greeter-"+version), h.at("server"), "-version", version)
		if err != nil {
			return err
		}
		h.running = append(h.running, s)
		if err := s.says(ctx, "127.0.0.1:"); err != nil {
			return err
		}
		addresses = append(addresses, s.line("127.0.0.1:"))
	}
	return h.register(addresses...)
}

// environment is all that a program needs to know.
func (h *host) environment(workload string) []string {
	return []string{"GRPC_XDS_BOOTSTRAP=" + h.bootstrap(workload)}
}

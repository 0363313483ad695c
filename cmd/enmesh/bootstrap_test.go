// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/agent/bootstrap"
)

// namesOf are the names of a command's flags, sorted.
func namesOf(set *flag.FlagSet) (names []string) {
	set.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

func TestBootstrap_saysWhatThePackageDoes(t *testing.T) {
	certs := filepath.Join(t.TempDir(), "certs")
	want, err := bootstrap.Config{
		Server: "/run/a.sock", Fallback: []string{"127.0.0.1:15010"}, NodeID: "web-1", Cluster: "front", Namespace: "shop",
		ServiceAccount: "web", Labels: map[string]string{"app": "web", "version": "v1"}, Region: "eu", Zone: "a", SubZone: "r",
		Certificates: certs, CertificateProvider: "mesh", Refresh: bootstrap.DefaultRefresh * 2, KeepDeleted: true,
		ServerListener: "xds.istio.io/grpc/lds/inbound/%s",
	}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"agent", "bootstrap", "-server", "/run/a.sock", "-fallback", "127.0.0.1:15010", "-node", "web-1", "-cluster", "front",
		"-namespace", "shop", "-service-account", "web", "-label", "app=web", "-label", "version=v1", "-region", "eu", "-zone", "a",
		"-sub-zone", "r", "-certificates", certs, "-certificate-provider", "mesh", "-refresh", "20s", "-keep-deleted",
		"-server-listener", "xds.istio.io/grpc/lds/inbound/%s"}
	if code, out, messages := enmesh(t, args...); code != exitWell || out != string(want) || messages != "" {
		t.Errorf("got %d\n%s%s\nwant\n%s", code, out, messages, want)
	}
	path := filepath.Join(t.TempDir(), "web.json")
	if code, out, messages := enmesh(t, append(args, "-o", path)...); code != exitWell || out+messages != "" {
		t.Errorf("-o: got %d, %s%s", code, out, messages)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file: got\n%s, %v\nwant\n%s", got, err, want)
	}
}

func TestBootstrap_takesItsVariables(t *testing.T) {
	t.Setenv("ENMESH_AGENT_BOOTSTRAP_NODE", "web-1")
	t.Setenv("ENMESH_AGENT_BOOTSTRAP_LABEL", "app=web,version=v1")
	t.Setenv("ENMESH_AGENT_NAMESPACE", "of-the-agent")
	code, out, messages := enmesh(t, "agent", "bootstrap")
	if code != exitWell || !strings.Contains(out, `"id": "web-1"`) || !strings.Contains(out, `"version": "v1"`) || strings.Contains(out, "of-the-agent") {
		t.Errorf("got %d\n%s%s", code, out, messages)
	}
}

func TestBootstrap_namesWhatMakesNoSense(t *testing.T) {
	for want, args := range map[string][]string{
		`Server is "agent.example.org:1"`: {"-server", "agent.example.org:1"},
		`what is "web"?`:                  {"web"},
	} {
		if code, out, messages := enmesh(t, append([]string{"agent", "bootstrap"}, args...)...); code != exitUsage || out != "" || !strings.Contains(messages, want) {
			t.Errorf("%q: got %d, %s%s", args, code, out, messages)
		}
	}
	if code, _, messages := enmesh(t, "agent", "bootstrap", "-o", filepath.Join(t.TempDir(), "missing", "b.json")); code != exitNo || !strings.Contains(messages, "no such file") {
		t.Errorf("got %d, %s", code, messages)
	}
}

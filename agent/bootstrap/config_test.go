// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package bootstrap_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/xds"

	"github.com/enmesh-go/enmesh/agent/bootstrap"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldens are files, by their Configs.
var goldens = map[string]bootstrap.Config{
	"least": {NodeID: "web-1"},
	"whole": {
		Server: "/run/enmesh/xds.sock", Fallback: []string{"127.0.0.1:15010"},
		NodeID: "reviews-1", Cluster: "shop", Region: "eu", Zone: "eu-1", SubZone: "rack-a",
		Namespace: "shop", ServiceAccount: "bookinfo-reviews", Labels: map[string]string{"app": "reviews", "version": "v1"},
		Certificates: "/run/enmesh/certs/reviews", Refresh: 1500 * time.Millisecond, KeepDeleted: true,
		ServerListener: "xds.istio.io/grpc/lds/inbound/%s",
	},
	"tls": {
		Server: "unix:/run/enmesh/xds.sock", Fallback: []string{"agent.example.org:15012", "[2001:db8::1]:15012"}, TLS: true,
		NodeID: "web-1", ServiceAccount: "web", Certificates: "/certs", CertificateProvider: "mesh",
	},
}

func TestConfig_golden(t *testing.T) {
	for name, cfg := range goldens {
		t.Run(name, func(t *testing.T) {
			got, err := cfg.JSON()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant, as in %s (-update writes it anew)\n%s", got, path, want)
			}
			if _, err := xds.NewXDSResolverWithConfigForTesting(got); err != nil {
				t.Errorf("grpc-go does not read it: %v", err)
			}
		})
	}
}

func TestConfig_namesWhatMakesNoSense(t *testing.T) {
	for want, cfg := range map[string]bootstrap.Config{
		`Server is "nowhere"`:                             {Server: "nowhere"},
		`Server is "unix:run.sock": a socket is unix://`:  {Server: "unix:run.sock"},
		`Server is "unix:///a%20b"`:                       {Server: "unix:///a%20b"},
		`Server is ":15010"`:                              {Server: ":15010"},
		`Server is "h:0"`:                                 {Server: "h:0"},
		`Server is "xds.example.org:15010", which is not`: {Server: "xds.example.org:15010"},
		`Fallback[1] is "10.0.0.1:1", which is not on`:    {Fallback: []string{"localhost:15010", "10.0.0.1:1"}},
		`Fallback[0] is "/run/enmesh/xds.sock", which st`: {Fallback: []string{"/run/enmesh/xds.sock"}},
		`NodeID has 1025 bytes`:                           {NodeID: strings.Repeat("n", 1025)},
		`Zone is "a" and Region is empty`:                 {Zone: "a"},
		`SubZone is "r" and Zone is empty`:                {Region: "eu", SubZone: "r"},
		`Namespace is "a/b"`:                              {Namespace: "a/b"},
		`ServiceAccount "a b"`:                            {ServiceAccount: "a b"},
		`Labels has a label without a key`:                {Labels: map[string]string{"": "x"}},
		`Certificates is "certs"; it must be an absolute`: {Certificates: "certs"},
		`Certificates is empty; the workload needs a`:     {TLS: true},
		`Refresh is 10ms; at least 1s`:                    {Refresh: 10 * time.Millisecond},
		`Refresh is -1s`:                                  {Refresh: -time.Second},
		`ServerListener "x" has 0 times %s`:               {ServerListener: "x"},
		`the file has 7`:                                  {Labels: map[string]string{"app": strings.Repeat("a", 70_000)}},
	} {
		_, err := cfg.JSON()
		if err == nil || !strings.HasPrefix(err.Error(), "bootstrap: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%+.60v: got error %v, want one with %q", cfg, err, want)
		}
	}
}

func TestConfig_saysWhereItRuns(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Skip("this host has no name") // and then an agent's has none
	}
	got, err := bootstrap.Config{ServiceAccount: "web", Namespace: "shop"}.JSON()
	if err != nil || !bytes.Contains(got, []byte(`"id": "web.shop@`+host+`"`)) {
		t.Errorf("got %s, %v, want an id of the account, the namespace and the host", got, err)
	}
}

func TestConfig_WriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "bootstrap.json")
	for _, id := range []string{"old", "new"} {
		if err := (bootstrap.Config{NodeID: id}).WriteFile(path); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(got, []byte(`"id": "new"`)) {
		t.Errorf("got %s, %v, want the new file", got, err)
	}
	if err := (bootstrap.Config{Server: "nowhere"}).WriteFile(path); err == nil {
		t.Error("a Config that makes no sense was written")
	}
	if err := (bootstrap.Config{}).WriteFile(filepath.Join(dir, "missing", "b.json")); err == nil {
		t.Error("a file was written into a directory that is missing")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("got %v, %v in the directory, want the file only", left, err)
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/security/ca"
)

const timeouts = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: reviews}}]
    timeout: 90s
`

func TestAgent_servesAndEnds(t *testing.T) {
	dir := folder(t)
	socket := filepath.Join(dir, "xds.sock")
	policies := write(t, filepath.Join(dir, "p.yaml"), timeouts)
	a := start(t, "-endpoints", services(t, dir, "127.0.0.1:1"), "-policies", policies, "-socket", socket, "-socket-mode", "0660",
		"-socket-user", "root", "-socket-group", "0", "-listen", "127.0.0.1:0", "-snapshots", filepath.Join(dir, "kept"),
		"-load-reports", "-drain", "50ms", "-limit", "names=100", "-trust-domain-alias", "old.local")
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("got the socket %v, %v, want mode 0660", info, err)
	}
	if _, port, err := net.SplitHostPort(a.listen); err != nil || port == "0" {
		t.Errorf("it listens at %q, want an address", a.listen)
	}
	code, out, messages := enmesh(t, "agent", "status", "-admin", a.admin)
	if code != exitWell || !strings.Contains(out, "1 documents") || !strings.Contains(out, "no client is connected") || messages != "" {
		t.Errorf("status: got %d\n%s%s", code, out, messages)
	}
	code, out, _ = enmesh(t, "agent", "status", "-json", "-admin", a.admin)
	var s agent.Status
	if err := json.Unmarshal([]byte(out), &s); code != exitWell || err != nil || !s.Ready || s.Policy.Documents != 1 {
		t.Errorf("status -json: got %d, %v\n%s", code, err, out)
	}
	if code := a.end(); code != exitWell {
		t.Errorf("got the exit code %d, want 0\n%s", code, a)
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
	if code, _, messages = enmesh(t, "agent", "status", "-admin", a.admin); code != exitNo || !strings.Contains(messages, "no agent answers at "+a.admin) {
		t.Errorf("status of none: got %d, %s", code, messages)
	}
}

// A policy that is refused leaves the last good one in force, and the status says so until it
// is put right.
func TestAgent_statusSaysWhatIsRefused(t *testing.T) {
	dir := folder(t)
	path := write(t, filepath.Join(dir, "p.yaml"), timeouts)
	a := start(t, "-endpoints", services(t, dir, "127.0.0.1:1"), "-policies", path, "-listen", "127.0.0.1:0")
	until := func(code int, want string) {
		t.Helper()
		for deadline := time.Now().Add(hang); ; time.Sleep(20 * time.Millisecond) {
			got, out, messages := enmesh(t, "agent", "status", "-admin", a.admin)
			if got == code && strings.Contains(out+messages, want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("got %d\n%s%s, want %d and %q", got, out, messages, code, want)
			}
		}
	}
	write(t, path, strings.Replace(timeouts, "timeout", "tiemout", 1))
	until(exitNo, "not well: policy is refused, the last good one stays in force: policy: "+path+":8:5")
	write(t, path, timeouts)
	until(exitWell, "1 documents")
}

func TestAgent_takesItsVariables(t *testing.T) {
	dir := folder(t)
	t.Setenv("ENMESH_AGENT_ENDPOINTS", services(t, dir, "127.0.0.1:1"))
	t.Setenv("ENMESH_AGENT_POLICIES", write(t, filepath.Join(dir, "a.yaml"), timeouts)+", "+
		write(t, filepath.Join(dir, "b.yaml"), strings.ReplaceAll(timeouts, "reviews", "ratings")))
	t.Setenv("ENMESH_AGENT_LISTEN", "127.0.0.1:0")
	t.Setenv("ENMESH_AGENT_ADMIN", "nowhere") // -admin goes before it
	a := start(t)
	t.Setenv("ENMESH_AGENT_ADMIN", a.admin)
	if code, out, messages := enmesh(t, "agent", "status"); code != exitWell || !strings.Contains(out, "2 documents") {
		t.Errorf("got %d\n%s%s", code, out, messages)
	}
}

// Each authority keeps certificates fresh, and the status shows them.
func TestAgent_issues(t *testing.T) {
	const web = "spiffe://cluster.local/ns/shop/sa/web"
	renewed := filepath.Join(t.TempDir(), "ns", "shop", "sa", "web")
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err == nil {
		err = authority.WriteFiles(renewed, mustID(t, web))
	}
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "ca")
	for name, from := range map[string]string{
		"own": "own", "kept": "own:" + root, "kept again": "own:" + root,
		"files": "files:" + strings.TrimSuffix(renewed, filepath.FromSlash("/ns/shop/sa/web")), "files of one": "files:" + renewed,
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t)
			certs := filepath.Join(dir, "certs")
			a := start(t, "-endpoints", services(t, dir, "127.0.0.1:1"), "-listen", "127.0.0.1:0", "-issue", certs+"="+web, "-ca", from)
			for deadline := time.Now().Add(hang); ; time.Sleep(20 * time.Millisecond) {
				code, out, messages := enmesh(t, "agent", "status", "-admin", a.admin)
				if code == exitWell && strings.Contains(out, certs+"  "+web) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("got %d\n%s%s%s", code, out, messages, a)
				}
			}
			files, err := openFiles(certs)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = files.Close() }()
			if own, err := files.Identity(); err != nil || own.ID().String() != web {
				t.Errorf("got %v, %v in the folder, want %s", own, err, web)
			}
		})
	}
}

// Several sources of instances, and DNS servers of one's own.
func TestAgent_readsSeveralSources(t *testing.T) {
	a := start(t, "-endpoints", services(t, folder(t), "127.0.0.1:1"), "-dns", "_grpc._tcp.%s.service.consul", "-dns-server", "127.0.0.1:1",
		"-consul", "127.0.0.1:1", "-consul-datacenter", "dc1", "-consul-datacenter", "dc2", "-listen", "127.0.0.1:0")
	if code, out, messages := enmesh(t, "agent", "status", "-admin", a.admin); code != exitWell || !strings.Contains(out, "answers") {
		t.Errorf("got %d\n%s%s", code, out, messages)
	}
}

// systemd hears when it answers, and that it ends.
func TestAgent_tellsSystemd(t *testing.T) {
	path := filepath.Join(folder(t), "notify")
	var from net.ListenConfig
	l, err := from.ListenPacket(t.Context(), "unixgram", path)
	if err != nil {
		t.Skip("this system has no such sockets: ", err)
	}
	defer func() { _ = l.Close() }()
	t.Setenv("NOTIFY_SOCKET", path)
	a := start(t, "-endpoints", services(t, folder(t), "127.0.0.1:1"), "-listen", "127.0.0.1:0")
	hears := func(want string) {
		t.Helper()
		text := make([]byte, 100)
		_ = l.SetReadDeadline(time.Now().Add(hang))
		if n, _, err := l.ReadFrom(text); err != nil || string(text[:n]) != want {
			t.Errorf("got %q, %v, want %s", text[:n], err, want)
		}
	}
	hears("READY=1")
	a.end()
	hears("STOPPING=1")
}

// Beyond this host it serves with mutual TLS only.
func TestAgent_listensWithTLS(t *testing.T) {
	dir := folder(t)
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err == nil {
		err = authority.WriteFiles(filepath.Join(dir, "own"), mustID(t, "spiffe://cluster.local/ns/enmesh/sa/agent"))
	}
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, "-endpoints", services(t, dir, "127.0.0.1:1"), "-listen-tls", "127.0.0.1:0", "-identity", filepath.Join(dir, "own"))
	if at, _ := a.wait(t, "enmesh: the agent listens")["listen_tls"].(string); !strings.HasPrefix(at, "127.0.0.1:") {
		t.Errorf("it listens at %q with TLS", at)
	}
}

func TestAgent_admin(t *testing.T) {
	a := start(t, "-endpoints", services(t, folder(t), "127.0.0.1:1"), "-listen", "127.0.0.1:0")
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/config", "/status"} {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + a.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: got %s", path, resp.Status)
		}
	}
}

func TestAgent_namesWhatMakesNoSense(t *testing.T) {
	dir := folder(t)
	file := services(t, dir, "127.0.0.1:1")
	with := func(args ...string) []string { return append([]string{"-endpoints", file}, args...) }
	for want, args := range map[string][]string{
		"where are the instances?":              {"-listen", "127.0.0.1:0"},
		`what is "policies/"?`:                  {"-consul", "127.0.0.1:8500", "policies/"},
		"flag provided but not defined: -polic": {"-polic", "x"},
		"which Consul has them?":                {"-consul-policies", "enmesh/policy", "-endpoints", file},
		"cannot be the name of a folder":        {"-consul-policies", "/", "-consul", "127.0.0.1:1"},
		`-dns "reviews"`:                        {"-dns", "reviews"},
		`-socket-mode "rw"`:                     with("-socket-mode", "rw"),
		`-socket-mode "07777"`:                  with("-socket-mode", "07777"),
		"-socket-user nobody-knows":             with("-socket-user", "nobody-knows"),
		"-socket-group nobody-knows":            with("-socket-group", "nobody-knows"),
		"-limit name=5":                         with("-limit", "name=5"),
		"-limit names=many":                     with("-limit", "names=many"),
		`-log "xml"`:                            with("-log", "xml"),
		"-ca is given and -issue is not":        with("-ca", "own"),
		"who makes the certificates?":           with("-issue", "d=spiffe://cluster.local/ns/a/sa/b"),
		`-issue "d": it is not folder=identity`: with("-ca", "own", "-issue", "d"),
		`-issue "d=web"`:                        with("-ca", "own", "-issue", "d=web"),
		`-ca "vault"`:                           with("-ca", "vault", "-issue", "d=spiffe://cluster.local/ns/a/sa/b"),
		`-ca "files"`:                           with("-ca", "files", "-issue", "d=spiffe://cluster.local/ns/a/sa/b"),
		"ca: TTL is 1ms":                        with("-ca", "own", "-ca-ttl", "1ms", "-issue", "d=spiffe://cluster.local/ns/a/sa/b"),
		"no-such-file":                          {"-endpoints", "no-such-file.yaml"},
		"cert.pem":                              with("-listen-tls", "127.0.0.1:0", "-identity", dir),
	} {
		code, out, messages := enmesh(t, append([]string{"agent"}, args...)...)
		if code != exitUsage || !strings.Contains(messages, want) || out != "" {
			t.Errorf("%q: got %d, %s%s\nwant 2 and %q", args, code, out, messages, want)
		}
	}
	t.Setenv("ENMESH_AGENT_GUARD_MOST", "long")
	if code, _, messages := enmesh(t, append([]string{"agent"}, with()...)...); code != exitUsage || !strings.Contains(messages, "ENMESH_AGENT_GUARD_MOST: ") {
		t.Errorf("got %d, %s, want 2 and the variable", code, messages)
	}
}

// What Open refuses is no mistake in the command line alone: it may be the machine's.
func TestAgent_failsWhereItCannotServe(t *testing.T) {
	file := services(t, folder(t), "127.0.0.1:1")
	for want, args := range map[string][]string{
		"is not a loopback address": {"-listen", "0.0.0.0:0"},
		"Config.Identity is not":    {"-listen-tls", "127.0.0.1:0"},
		"no such file or directory": {"-socket", filepath.Join(t.TempDir(), "missing", "xds.sock")},
		"Drain is -1s":              {"-drain", "-1s", "-listen", "127.0.0.1:0"},
		"LoadInterval is -1s":       {"-load-interval", "-1s", "-listen", "127.0.0.1:0"},
		"Confirm 1m0s":              {"-listen", "127.0.0.1:0", "-guard-confirm", "1m"},
	} {
		code, _, messages := enmesh(t, append([]string{"agent", "-admin", "", "-endpoints", file}, args...)...)
		if code != exitNo || !strings.Contains(messages, want) {
			t.Errorf("%q: got %d, %s\nwant 1 and %q", args, code, messages, want)
		}
	}
}

// Every flag stands in exactly one group of its command's help.
func TestHelp_hasEveryFlag(t *testing.T) {
	agents, _ := agentFlagSet(io.Discard)
	workloads, _, _, _ := bootstrapFlagSet(io.Discard)
	for _, c := range []struct {
		name   string
		groups []group
		names  []string
	}{{"agent", agentGroups, namesOf(agents)}, {"agent bootstrap", bootstrapGroups, namesOf(workloads)}} {
		var grouped []string
		for _, g := range c.groups {
			grouped = append(grouped, strings.Fields(g.names)...)
		}
		slices.Sort(grouped)
		if !slices.Equal(grouped, c.names) {
			t.Errorf("%s: its groups have\n%q, want\n%q", c.name, grouped, c.names)
		}
	}
}

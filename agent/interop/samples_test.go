// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

// samplesVariable names a folder of Istio documents.
const samplesVariable = "ENMESH_ISTIO_SAMPLES"

// TestSamples_areRefusedByNoClient has clients dial every service that a folder of Istio's
// documents speaks of, file by file: they take all that the agent makes of it.
func TestSamples_areRefusedByNoClient(t *testing.T) {
	dir := os.Getenv(samplesVariable)
	if dir == "" {
		t.Skipf("%s names no folder of Istio documents", samplesVariable)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents in %s: %v", dir, err)
	}
	each(t, func(t *testing.T, l language) {
		p := run(t, func(cfg *agent.Config) { cfg.CertificateProvider = agent.DefaultProvider })
		w := web
		w.Certificates = issued(t, "web")
		c := p.clientOf(l, "echo", w)
		at := serve(t, "one").at("version", "v1")
		judged, resources := 0, 0
		for _, file := range files {
			s, err := policy.Load(file)
			if err != nil {
				continue // package policy's tests say why
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			judged++
			p.policy(string(text))
			resources += p.dialled(c, filepath.Base(file), spoken(s), at)
		}
		t.Logf("%d of %d files were judged, with %d resources", judged, len(files), resources)
		if judged < len(files)*9/10 || resources < judged {
			t.Errorf("%d of %d files were judged, with %d resources: too few to tell", judged, len(files), resources)
		}
		if n := p.sum("enmesh_agent_answers_total", "result", "accepted"); n < float64(judged) {
			t.Errorf("%v answers took what they were sent, want one for each of %d files at least", n, judged)
		}
	})
}

// issued writes a certificate of an account, and gives its directory.
func issued(t *testing.T, account string) string {
	t.Helper()
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := security.IDFor("cluster.local", "default", account)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := authority.WriteFiles(dir, id); err != nil {
		t.Fatal(err)
	}
	return dir
}

// dialled has a client dial services, and is how many resources it has taken.
func (p *plane) dialled(c *program, file string, services []string, at discovery.Endpoint) (taken int) {
	p.t.Helper()
	for i, service := range services {
		name := strings.TrimSuffix(strings.TrimSuffix(service, ".svc.cluster.local"), ".default")
		at.Namespace, at.ServiceAccount = "default", "x"
		p.registry.Set(name, at)
		channel := strconv.Itoa(i)
		c.do(order{Do: "dial", Channel: channel, Target: "xds:///" + service + ":9080", Secure: true})
		c.do(order{Do: "calls", Channel: channel, Method: unary, Timeout: 200})
	}
	eventually(p.t, file+" is answered", func() bool {
		taken = 0
		for _, one := range p.Status().Clients {
			for _, r := range one.Resources {
				switch r.State {
				case "rejected":
					p.t.Errorf("%s: %s %s is refused: %s", file, r.Kind, r.Name, r.Error)
				case "requested", "pending", "sent":
					return false
				}
				taken++
			}
		}
		return true
	})
	for i := range services {
		c.do(order{Do: "hangup", Channel: strconv.Itoa(i)})
	}
	return taken
}

// spoken are the services that policy speaks of.
func spoken(s *policy.Snapshot) []string {
	var out []string
	for _, svc := range s.Services {
		out = append(out, svc.Hosts...)
	}
	for _, d := range s.Destinations {
		out = append(out, d.Host)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(key string) bool { return key == "" || strings.Contains(key, "*") })
}

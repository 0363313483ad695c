// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/file"
)

const sample = `# the registry of the tests
services:
  reviews:
  - address: 10.0.0.1:9080
    labels: {version: v1}
    serviceAccount: bookinfo-reviews
    namespace: default
    locality: eu/eu-1/rack-a
    metadata: {owner: books}
  - addresses: [10.0.0.2, "[fd00::2]"]
    ports:
    - {name: http, number: 9080, protocol: http}
    - {name: grpc, number: 9090, target: 19090, protocol: grpc}
    weight: 2
    priority: 1
    version: v2
    draining: true
  ratings: []
  "quiet one":
  - {address: "quiet.local:80", weight: 0}
`

const sampleJSON = "{\n\t\"services\": {\n\t\t\"reviews\": [\n\t\t\t{\"address\": \"10.0.0.1:9080\", \"labels\": {\"version\": \"v1\"}, " +
	"\"serviceAccount\": \"bookinfo-reviews\",\n\t\t\t \"namespace\": \"default\", \"locality\": \"eu/eu-1/rack-a\", \"metadata\": {\"owner\": \"books\"}},\n" +
	"\t\t\t{\"addresses\": [\"10.0.0.2\", \"[fd00::2]\"], \"ports\": [{\"name\": \"http\", \"number\": 9080, \"protocol\": \"http\"},\n" +
	"\t\t\t\t{\"name\": \"grpc\", \"number\": 9090, \"target\": 19090, \"protocol\": \"grpc\"}],\n" +
	"\t\t\t \"weight\": 2, \"priority\": 1, \"version\": \"v2\", \"draining\": true}\n\t\t],\n" +
	"\t\t\"ratings\": [],\n\t\t\"quiet one\": [{\"address\": \"quiet.local:80\", \"weight\": 0}]\n\t}\n}\n"

func wanted() map[string][]discovery.Endpoint {
	return map[string][]discovery.Endpoint{
		"reviews": {
			{
				Addrs: []string{"10.0.0.1:9080"}, Labels: map[string]string{"version": "v1"},
				ServiceAccount: "bookinfo-reviews", Namespace: "default",
				Locality: discovery.Locality{Region: "eu", Zone: "eu-1", SubZone: "rack-a"},
				Metadata: map[string]string{"owner": "books"},
			},
			{
				Addrs: []string{"10.0.0.2", "[fd00::2]"},
				Ports: []discovery.Port{
					{Name: "http", Number: 9080, Protocol: "http"},
					{Name: "grpc", Number: 9090, Target: 19090, Protocol: "grpc"},
				},
				Weight: 2, Priority: 1, Version: "v2", Draining: true,
			},
		},
		"ratings":   {},
		"quiet one": {{Addrs: []string{"quiet.local:80"}, Draining: true}},
	}
}

func TestParse_everyField(t *testing.T) {
	for name, text := range map[string]string{"s.yaml": sample, "s.json": sampleJSON, "crlf.yaml": strings.ReplaceAll(sample, "\n", "\r\n")} {
		got, err := file.Parse(name, []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := wanted()
		if len(got) != len(want) {
			t.Errorf("%s: %d services, want %d", name, len(got), len(want))
		}
		for service, eps := range want {
			if set, ok := got[service]; !ok || !discovery.EqualSets(set, eps) {
				t.Errorf("%s: %s = %+v, want %+v", name, service, set, eps)
			}
		}
	}
}

func TestParse_errorsNamePlaceFieldAndFix(t *testing.T) {
	one := func(fields string) string { return "services:\n  a:\n  - address: h:1\n    " + fields + "\n" }
	tests := []struct {
		name, text string
		want       string
	}{
		{"s.yaml", "", `file: s.yaml: it is empty; write "services: {}"`},
		{"s.yaml", "# only words\n", `file: s.yaml: it is empty`},
		{"s.yaml", "{}\n", `file: s.yaml:1:1: services: it is missing; write "services: {}"`},
		{"s.yaml", "service: {}\n", `file: s.yaml:1:1: service: unknown field; the only one here is services`},
		{"s.yaml", "- a\n", `file: s.yaml:1:1: it is a list; a mapping`},
		{"s.yaml", "services: {}\n---\nservices: {}\n", `file: s.yaml:2:1: a second document`},
		{"s.yaml", "services: {}\nservices: {}\n", `file: s.yaml:2:1: services: it stands in line 1 already`},
		{"s.yaml", "services:\n\ta: []\n", `file: s.yaml:2:1: found character that cannot start any token`},
		{"s.yaml", "services:\n  a: 1\n", `file: s.yaml:2:6: services.a: it is "1"; a list`},
		{"s.yaml", "services:\n  a:\n", `file: s.yaml:2:5: services.a: it is empty; a list`},
		{"s.yaml", "services:\n  \"\": []\n", `file: s.yaml:2:3: services.: a service needs a name`},
		{"s.yaml", "services:\n  a: &x []\n  b: *x\n", `file: s.yaml:3:6: services.b: it is an alias, which is not accepted`},
		{"s.yaml", "x: &x {}\nservices:\n  <<: *x\n", `file: s.yaml:3:3: services: a field's name is plain text; merge keys`},
		{"s.yaml", one("wieght: 3"), `file: s.yaml:4:5: services.a[0].wieght: unknown field; there are address,`},
		{"s.yaml", one("weight: -1"), `file: s.yaml:4:13: services.a[0].weight: it is "-1"; a whole number from 0 to 4294967295`},
		{"s.yaml", one("weight: 4294967296"), `a whole number from 0 to 4294967295`},
		{"s.yaml", one("weight: 010"), `a whole number`},
		{"s.yaml", one("weight: 1.5"), `a whole number`},
		{"s.yaml", one("draining: yes"), `file: s.yaml:4:15: services.a[0].draining: it is "yes"; true or false`},
		{"s.yaml", one("version: 1.10"), `file: s.yaml:4:14: services.a[0].version: it is "1.10"; text belongs here, in quotes`},
		{"s.yaml", one("labels: {app: 1}"), `services.a[0].labels.app: it is "1"; text`},
		{"s.yaml", one("locality: eu//a"), `services.a[0].locality: "eu//a" is no locality`},
		{"s.yaml", one("ports: [{number: 0}]"), `services.a[0].ports[0]: it has no number`},
		{"s.yaml", one("ports: [{number: 65536}]"), `services.a[0].ports[0].number: it is "65536"; a whole number from 0 to 65535`},
		{"s.yaml", one("ports: [{number: 80, protocol: quic}]"), `"quic" is no protocol; it is http, http2, grpc or tcp`},
		{"s.yaml", one("ports: [{number: 80}, {number: 80}]"), `services.a[0].ports[1]: port 80 is listed already`},
		{"s.yaml", "services:\n  a:\n  - version: v1\n", `file: s.yaml:3:5: services.a[0]: it has no address; give address: host:port`},
		{"s.yaml", "services:\n  a:\n  - address: h\n", `services.a[0].address: "h" is not host:port; add the port, or list ports`},
		{"s.yaml", "services:\n  a:\n  - address: h:0\n", `has no port from 1 to 65535`},
		{"s.yaml", "services:\n  a:\n  - address: http://h:80\n", `is not host:port`},
		{"s.yaml", "services:\n  a:\n  - {address: h/x, ports: [{number: 1}]}\n", `neither an IP address nor a DNS name`},
		{"s.yaml", "services:\n  a:\n  - address: '[::1%eth0]:80'\n", `neither an IP address nor a DNS name`},
		{"s.yaml", "services:\n  a:\n  - address: ':80'\n", `neither an IP address nor a DNS name`},
		{"s.yaml", "services:\n  a:\n  - address: h:1\n  - address: h:1\n", `file: s.yaml:4:5: services.a[1]: address h:1 is that of entry 0 already`},
		{"s.json", "{\"services\": {\n  \"a\": [{\"server\": \"h:1\"}]}}", `file: s.json:2:10: services.a[0].server: unknown field`},
		{"s.json", "{\"services\":\n {\"a\": [}}", `file: s.json:2:8: invalid character '}'`},
		{"s.json", "{\"services\":\n {\"a\": [", `file: s.json:2:9: the document ends too early`},
		{"s.json", "{\"services\": {}}\n{}", `file: s.json:2:1: there is something after the end`},
		{"s.json", "{\"services\": {}, \"services\": {}}", `file: s.json:1:18: services: it stands in line 1 already`},
		{"s.json", strings.Repeat("[", 100), `it nests too deep`},
		{"s.json", "{\"services\": {\"a\": [{\"address\": \"h:1\", \"weight\": 1e3}]}}", `it is "1e3"; a whole number`},
	}
	for _, tt := range tests {
		_, err := file.Parse(tt.name, []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%q):\n got %v\nwant %s", tt.text, err, tt.want)
			continue
		}
		if e := (*file.Error)(nil); !errors.As(err, &e) || e.File != tt.name {
			t.Errorf("Parse(%q): %v is no *file.Error of %s", tt.text, err, tt.name)
		}
	}
}

func TestParse_tellsAllMistakesUpToTen(t *testing.T) {
	text := "services:\n  a:\n" + strings.Repeat("  - {server: x}\n", 30)
	_, err := file.Parse("s.yaml", []byte(text))
	if got := strings.Count(err.Error(), "unknown field"); got != 10 || !strings.Contains(err.Error(), "and 20 more") {
		t.Errorf("%d mistakes told, want 10 and that there are 20 more:\n%v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("s.yaml", []byte(sample))
	f.Add("s.json", []byte(sampleJSON))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		if !strings.HasSuffix(name, ".json") {
			name = "s.yaml"
		}
		services, err := file.Parse(name, data)
		if err != nil {
			if services != nil || !strings.HasPrefix(err.Error(), "file: ") {
				t.Fatalf("services = %v with the error %q", services, err)
			}
			return
		}
		for service, eps := range services {
			for _, e := range eps {
				if service == "" || len(e.Addrs) == 0 {
					t.Fatalf("accepted service %q with %+v", service, e)
				}
				if addrs, ok := e.Address(0, ""); !ok || addrs[0] == "" {
					t.Fatalf("accepted %+v, which has no address to dial", e)
				}
			}
			if !discovery.EqualSets(eps, eps) {
				t.Fatalf("%s does not equal itself", service)
			}
		}
	})
}

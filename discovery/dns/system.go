// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"bytes"
	"os"
	"strings"
)

// systemFile names the system's servers, as resolv.conf(5) says.
const systemFile = "/etc/resolv.conf"

// mostServers is how many of the system's servers are used, as in the C library.
const mostServers = 3

// systemServers are the system's, read anew because the file is edited while processes
// run; without any, it is the one on this host.
func systemServers(file string) []string {
	data, err := os.ReadFile(file)
	if err == nil {
		if servers := parseServers(data); len(servers) > 0 {
			return servers
		}
	}
	return []string{"127.0.0.1:53"}
}

// parseServers reads the nameserver lines of a resolv.conf; what else stands there is
// passed over.
func parseServers(data []byte) []string {
	var servers []string
	for line := range bytes.Lines(data) {
		fields := strings.Fields(string(line))
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if s, err := serverAddress(fields[1]); err == nil && len(servers) < mostServers {
			servers = append(servers, s)
		}
	}
	return servers
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"maps"
	"slices"

	"github.com/hashicorp/consul/api"
)

// same reports whether the agent has what was registered. It compares content and
// takes no notice of the agent's own hashes and indexes, which have no order.
func same(want *api.AgentServiceRegistration, have *api.AgentService) bool {
	if have == nil {
		return false
	}
	return have.Service == want.Name &&
		have.Address == want.Address &&
		have.Port == want.Port &&
		have.Weights == *want.Weights &&
		maps.Equal(have.Meta, want.Meta) &&
		slices.Equal(sorted(have.Tags), sorted(want.Tags))
}

func sorted(in []string) []string { return slices.Sorted(slices.Values(in)) }

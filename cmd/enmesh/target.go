// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/enmesh-go/enmesh/policy"
)

// enforcers are all that there are.
var enforcers = []policy.Enforcer{
	policy.Embedded, policy.GRPCGo, policy.GRPCJava, policy.GRPCCpp, policy.GRPCPython, policy.GRPCNode,
}

func targetNames() []string {
	var names []string
	for _, e := range enforcers {
		names = append(names, e.String())
	}
	return names
}

// targets is a flag of enforcers that may be given several times.
type targets []policy.Enforcer

func (t *targets) String() string { return "" }

// Set takes one more.
func (t *targets) Set(text string) error {
	e, ok := policy.ParseEnforcer(text)
	if !ok {
		return fmt.Errorf("%q is none of %s", text, strings.Join(targetNames(), ", "))
	}
	*t = append(*t, e)
	return nil
}

func (t targets) orEmbedded() []policy.Enforcer {
	if len(t) == 0 {
		return enforcers[:1]
	}
	return t
}

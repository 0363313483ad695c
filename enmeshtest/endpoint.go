// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

// Endpoint is an [github.com/enmesh-go/enmesh.Endpoint] by its address.
type Endpoint struct {
	Address string
	Labels  map[string]string
}

// Addr is the address.
func (e *Endpoint) Addr() string { return e.Address }

// Label is a label.
func (e *Endpoint) Label(key string) string { return e.Labels[key] }

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// decisions counts what a quota says that it did, and what it should not say.
type decisions struct{ n, wrong atomic.Int64 }

// Record counts.
func (d *decisions) Record(_ *enmesh.Call, got enmesh.Decision) {
	d.n.Add(1)
	if got != (enmesh.Decision{Policy: "redislimit", Action: enmesh.ActionDegrade}) {
		d.wrong.Add(1)
	}
}

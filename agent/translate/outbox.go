// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"slices"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// outbox is what is to be said once the Catalog is no longer locked, in order.
type outbox struct {
	letters []letter
	reports []Note
}

// letter is a resource on its way to who watches it.
type letter struct {
	to   xds.Watcher
	what *xds.Resource
}

// without removes what is on its way to w.
func (o *outbox) without(w xds.Watcher) {
	o.letters = slices.DeleteFunc(o.letters, func(l letter) bool { return l.to == w })
}

// deliver empties the outbox. What was in it before has been said when it returns.
func (c *Catalog) deliver() {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.mu.Lock()
	now := c.outbox
	c.outbox = outbox{}
	c.mu.Unlock()
	for _, n := range now.reports {
		c.cfg.Report(n)
	}
	for _, l := range now.letters {
		l.to.Hear(*l.what)
	}
}

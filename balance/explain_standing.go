// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
)

// whyLeftOut is why the cluster, which has so many others, has no use for an endpoint;
// mu is held.
func (c *Cluster) whyLeftOut(ep *discovery.Endpoint, others int) string {
	d := c.cfg.Destination
	for _, key := range slices.Sorted(maps.Keys(c.cfg.Subset)) {
		have := labelOf(ep, key)
		if have == c.cfg.Subset[key] {
			continue
		}
		if have == "" {
			have = "none"
		}
		return fmt.Sprintf("not in subset %s: want label %s=%s, have %s", d.Subset, key, c.cfg.Subset[key], have)
	}
	if _, ok := c.reaches(ep); !ok {
		return fmt.Sprintf("it has no port %d for %s", d.Port, c.cfg.Protocol)
	}
	if size := c.cfg.Subsetting.Size; size > 0 && others >= size {
		return fmt.Sprintf("not in this client's subset: it has %d of %d endpoints", others, len(c.told))
	}
	return "the registry names it twice"
}

// health is what speaks against an endpoint, or "healthy".
func (x *account) health(h *host, connected bool) string {
	barred := h.barred.Load()
	switch {
	case barred&gone != 0:
		return "gone: it has left the set"
	case barred&draining != 0:
		return "draining: the registry says that it takes no new calls"
	case barred&closing != 0 && h.isClosing(x.now):
		return "draining: its process is about to end, " + left(h.closes.Load(), x.now) + " to go"
	case barred&ejected != 0 && h.isEjected(x.now):
		return x.ejected(h)
	case barred&unhealthy != 0:
		return "unhealthy: active checks say so"
	case !connected:
		return "not connected"
	}
	return healthy
}

const healthy = "healthy"

// ejected is for how long, and why as far as anybody knows.
func (x *account) ejected(h *host) string {
	until := h.until.Load()
	text, why := "ejected for "+left(until, x.now), ""
	switch {
	case h.rests.Load() == until:
		why = "it could not be connected to"
	case x.ejection != nil:
		why = x.ejection(&h.self)
	}
	if why == "" {
		return text
	}
	return text + ": " + why
}

// left is the time from now to an instant, in whole seconds, rounded up.
func left(until int64, now enmesh.Instant) string {
	d := enmesh.Instant(until).Sub(now)
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10) + " s"
}

// unused is why a healthy endpoint of a tier, or of a part of one, gets no calls.
func (x *account) unused(c *Candidate, tiers []Tier) string {
	if x.keyed {
		return "left out by " + x.kind + ": the key's calls go to another tier"
	}
	t := &tiers[c.Tier]
	if t.Load > 0 {
		return fmt.Sprintf("tier %d: its locality gets none of the load", c.Tier)
	}
	for i := c.Tier - 1; i >= 0; i-- {
		if before := &tiers[i]; before.Load > 0 {
			return fmt.Sprintf("tier %d: not used while tier %d has %s healthy", c.Tier, i, percent(before.Healthy, before.Total))
		}
	}
	return fmt.Sprintf("tier %d: nothing in it is healthy", c.Tier)
}

func percent(n, of int) string {
	if of == 0 {
		return "0 %"
	}
	return strconv.Itoa(n*100/of) + " %"
}

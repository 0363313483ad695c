// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// SetHealthy takes the verdict of active health checks on the endpoint, for all its
// views: one that is unhealthy is picked only where nothing better is left, as one
// that is ejected. Becoming healthy ends an ejection too, as in Envoy: what was asked
// just now knows better; and it begins a slow start (see [SlowStart]). Endpoints start
// healthy, unless [ClusterConfig] has AwaitCheck.
func (e *Endpoint) SetHealthy(healthy bool) {
	h := e.host
	if !healthy {
		if h.barred.Or(unhealthy)&unhealthy == 0 {
			h.cluster.health.Add(1)
		}
		return
	}
	if h.barred.And(^unhealthy)&unhealthy != 0 {
		h.until.Store(0)
		h.chill(h.cluster.now())
		h.cluster.health.Add(1)
	}
}

// Healthy reports whether nothing is known that speaks against the endpoint at an
// instant: it has not left the set, is not about to end, neither ejected nor found
// unhealthy. The state of connections does not matter; see [Endpoint.Ready].
func (e *Endpoint) Healthy(now enmesh.Instant) bool {
	barred := e.host.barred.Load()
	return barred == 0 || barred&^passing == 0 && !e.host.heldBack(barred, now)
}

// HealthVersion changes whenever the health of one of the cluster's endpoints does,
// but for an ejection or a drain that ends by itself (see [Endpoint.EjectedUntil]):
// who sums up health sums up again when it differs, or when the soonest of those ends
// has come.
func (c *Cluster) HealthVersion() uint64 { return c.health.Load() }

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"fmt"
	"sync"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/outlier"
)

// detectors are the outlier detectors of clusters: one for each as long as its
// configuration stays, so that a reload forgets no ejection.
type detectors struct {
	mu   sync.Mutex // guards made
	made map[clusterKey]detector
}

type detector struct {
	*outlier.Detector
	cfg   outlier.Config
	gates func(*balance.Endpoint) []enmesh.Gate
}

// gates is what hangs a cluster's detector on its endpoints.
func (d *detectors) gates(key clusterKey, cfg outlier.Config) func(*balance.Endpoint) []enmesh.Gate {
	d.mu.Lock()
	defer d.mu.Unlock()
	if have, ok := d.made[key]; ok && have.cfg == cfg {
		return have.gates
	}
	detect := outlier.New(cfg)
	gates := func(e *balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{detect.Gate(e)} }
	if d.made == nil {
		d.made = map[clusterKey]detector{}
	}
	d.made[key] = detector{detect, cfg, gates}
	return gates
}

// why says why endpoints of a cluster are ejected, for [balance.Cluster.Explain].
func (d *detectors) why(cfg balance.ClusterConfig) func(*balance.Endpoint) string {
	d.mu.Lock()
	have, watched := d.made[clusterKey{cfg.Destination, cfg.Protocol}]
	d.mu.Unlock()
	verdicts := map[*balance.Endpoint]outlier.Verdict{}
	if watched && cfg.Gates != nil {
		for _, v := range have.Report() {
			verdicts[v.Endpoint] = v
		}
	}
	return func(e *balance.Endpoint) string {
		if v := verdicts[e]; v.Ejected && v.Until == e.EjectedUntil() {
			return reasonText(v.Why, &have.cfg)
		}
		return "" // by the program
	}
}

// reasonText is why an endpoint was ejected, as people say it.
func reasonText(why outlier.Reason, cfg *outlier.Config) string {
	switch why {
	case outlier.Consecutive5xx:
		return fmt.Sprintf("%d consecutive 5xx", cfg.Consecutive5xx)
	case outlier.ConsecutiveGateway:
		return fmt.Sprintf("%d consecutive gateway errors", cfg.ConsecutiveGateway)
	case outlier.LocalOrigin:
		return fmt.Sprintf("%d consecutive failures on the way there", cfg.ConsecutiveLocalOrigin)
	}
	return why.String()
}

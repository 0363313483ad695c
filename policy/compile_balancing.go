// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"maps"
	"math"
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/affinity"
)

// balancing fills in what a loadBalancer block says; annotated is the algorithm where
// there is none.
func (t *Traffic) balancing(lb *networking.LoadBalancerSettings, annotated string) {
	if lb == nil {
		t.Algorithm = cmp.Or(annotated, t.Algorithm)
		return
	}
	if name := lb.GetSimple(); name != networking.LoadBalancerSettings_UNSPECIFIED {
		t.Algorithm = name.String()
	}
	t.Hash = hashOf(lb.GetConsistentHash())
	t.SlowStart = slowStartOf(lb)
	switch l, z := lb.GetLocalityLbSetting(), lb.GetZoneAwareLbSetting(); {
	case l != nil:
		t.Locality = localityOf(l)
	case z != nil:
		t.Locality = zonesOf(z)
	}
}

func hashOf(h *networking.LoadBalancerSettings_ConsistentHashLB) Hash {
	var hash Hash
	switch key := h.GetHashKey().(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName:
		hash.By, hash.Name = HashByHeader, key.HttpHeaderName
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpQueryParameterName:
		hash.By, hash.Name = HashByQuery, key.HttpQueryParameterName
	case *networking.LoadBalancerSettings_ConsistentHashLB_UseSourceIp:
		if key.UseSourceIp {
			hash.By = HashBySource
		}
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpCookie:
		hash.By, hash.Cookie = HashByCookie, cookieOf(key.HttpCookie)
	}
	if m := h.GetMaglev(); m != nil {
		hash.Maglev, hash.Table.TableSize = true, uint32(m.GetTableSize())
		return hash
	}
	size := cmp.Or(h.GetRingHash().GetMinimumRingSize(), h.GetMinimumRingSize()) //nolint:staticcheck // deprecated and still read
	hash.Ring.MinSize = uint32(min(size, math.MaxUint32))
	return hash
}

func cookieOf(c *networking.LoadBalancerSettings_ConsistentHashLB_HTTPCookie) affinity.CookieConfig {
	var attributes []affinity.Attribute
	for _, a := range c.GetAttributes() {
		attributes = append(attributes, affinity.Attribute{Name: a.GetName(), Value: a.GetValue()})
	}
	return affinity.CookieConfig{
		Name: c.GetName(), Path: c.GetPath(), Generate: c.GetTtl() != nil, TTL: c.GetTtl().AsDuration(),
		Attributes: affinity.Attributes(attributes...),
	}
}

// slowStartOf reads warmup, or the field that came before it.
func slowStartOf(lb *networking.LoadBalancerSettings) balance.SlowStartConfig {
	w := lb.GetWarmup()
	if w == nil {
		return balance.SlowStartConfig{Window: lb.GetWarmupDurationSecs().AsDuration()}
	}
	return balance.SlowStartConfig{
		Window: w.GetDuration().AsDuration(), Aggression: w.GetAggression().GetValue(),
		MinPercent: minPercentOf(w),
	}
}

// minPercentOf is the share that a new instance begins with, in whole percents; 0 is the
// default, which what is written never is.
func minPercentOf(w *networking.WarmupConfiguration) uint32 {
	if w.GetMinimumPercent() == nil {
		return 0
	}
	return uint32(max(math.Ceil(w.GetMinimumPercent().GetValue()), 1))
}

func localityOf(l *networking.LocalityLoadBalancerSetting) *balance.LocalityConfig {
	cfg := &balance.LocalityConfig{FailoverPriority: l.GetFailoverPriority()}
	if e := l.GetEnabled(); e != nil {
		cfg.Disabled = !e.GetValue()
	}
	for _, f := range l.GetFailover() {
		cfg.Failover = append(cfg.Failover, balance.RegionFailover{From: f.GetFrom(), To: f.GetTo()})
	}
	for _, d := range l.GetDistribute() {
		one := balance.Distribute{From: d.GetFrom()}
		for _, to := range slices.Sorted(maps.Keys(d.GetTo())) {
			one.To = append(one.To, balance.LocalityShare{Locality: to, Percent: d.GetTo()[to]})
		}
		cfg.Distribute = append(cfg.Distribute, one)
	}
	return cfg
}

func zonesOf(z *networking.ZoneAwareLoadBalancerSetting) *balance.LocalityConfig {
	cfg := &balance.LocalityConfig{FailoverPriority: z.GetFailoverPriority()}
	cfg.ZoneAware = balance.ZoneAware{Enabled: true, MinClusterSize: z.GetMinClusterSize().GetValue()}
	if e := z.GetEnabled(); e != nil {
		cfg.Disabled = !e.GetValue()
	}
	for _, f := range z.GetFailover() {
		cfg.Failover = append(cfg.Failover, balance.RegionFailover{From: f.GetFrom(), To: f.GetTo()})
	}
	return cfg
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/lane"
	"github.com/enmesh-go/enmesh/telemetry"
)

// Calls is the observer of one chain's calls, for telemetry.Calls. Make it when the
// chain is built; series stay when chains are built anew.
func (c *Collector) Calls(s telemetry.Scope) telemetry.Observer {
	return &calls{scope: s, family: c.calls, hosts: &c.hosts}
}

// Attempts is the observer of one chain's attempts, for telemetry.Attempts.
func (c *Collector) Attempts(s telemetry.Scope) telemetry.Observer {
	return &attempts{scope: s, family: c.attempts}
}

// callKey is all that may differ between the calls of a chain and shows in labels.
type callKey struct {
	endpoint  enmesh.Endpoint // client
	service   string
	principal string // server
	flag      enmesh.Flag
	code      enmesh.Code // gRPC
	status    int32
	protocol  enmesh.Protocol
	secure    bool // server
}

func (k *callKey) hash() uint64 {
	h := telemetry.Hash(0).Uint(uint64(k.code)<<40 | uint64(k.status)<<8 | uint64(k.protocol))
	if k.flag != "" {
		h = h.String(string(k.flag))
	}
	if k.endpoint != nil {
		h = h.Endpoint(k.endpoint)
	}
	if k.principal != "" {
		h = h.String(k.principal)
	}
	return uint64(h.Uint(uint64(len(k.service))))
}

// labelledKey is a callKey of a peer that has labels.
type labelledKey struct {
	callKey
	peer telemetry.Workload
}

// refresh is how long an endpoint's labels are taken as they were: a registry may
// tell new ones of an endpoint that stays.
const refresh = 10 * time.Second

// found is the series of a key, and when its labels were read.
type found struct {
	series *series[spread]
	at     enmesh.Instant
}

// calls observes the calls of one chain.
type calls struct {
	scope    telemetry.Scope
	family   *family[spread]
	hosts    *hosts
	plain    telemetry.Cache[callKey, found]
	labelled telemetry.Cache[labelledKey, *series[spread]]
}

// Observe counts a call.
func (o *calls) Observe(r enmesh.Result) {
	c := r.Call
	k := callKey{
		service: c.Service, flag: telemetry.Flags(r),
		status: int32(telemetry.Status(r)), protocol: c.Protocol,
	}
	if c.Protocol == enmesh.GRPC {
		k.code = enmesh.CodeOf(r.Err)
	}
	if o.scope.Side == enmesh.Client {
		k.endpoint = c.Endpoint
	} else if c.Source != nil {
		k.principal = c.Source.Identity
		k.secure = c.Source.TLS != nil && len(c.Source.TLS.PeerCertificates) > 0
	}
	s := o.find(&k, c.Source, r.Ended).value.In(lane.Here())
	s.observe(duration, uint64(max(r.Ended.Sub(c.Start), 0)))
	sent, answered := c.Sizes()
	if sent >= 0 {
		s.observe(request, uint64(sent))
	}
	if answered >= 0 {
		s.observe(response, uint64(answered))
	}
}

// find is the series of a key.
func (o *calls) find(k *callKey, peer *enmesh.Peer, now enmesh.Instant) *series[spread] {
	if o.scope.Side == enmesh.Server && peer != nil && len(peer.Labels) > 0 {
		return o.findLabelled(k, peer)
	}
	hash := k.hash()
	if f, ok := o.plain.Get(hash, k); ok && now.Sub(f.at) < refresh {
		return f.series
	}
	key := *k
	shown, known := o.shown(&key)
	s, room := o.family.series(callValues(o.scope, &shown, o.far(&key)))
	if room && known {
		o.plain.Put(hash, key, found{s, now})
	} else {
		o.family.folded.Add(1)
	}
	return s
}

// shown is k as labels show it. It reports false when the name that a server was called by
// is one of too many.
func (o *calls) shown(k *callKey) (shown callKey, known bool) {
	shown = *k
	if o.scope.Side == enmesh.Server {
		shown.service = o.hosts.of(k.service)
	}
	return shown, shown.service == k.service
}

// far is what is known of the other side of calls with key.
func (o *calls) far(k *callKey) telemetry.Workload {
	if o.scope.Side == enmesh.Client {
		return workloadOf(k.endpoint)
	}
	return telemetry.Workload{}.WithIdentity(k.principal)
}

// findLabelled is find for a peer that says more of itself than its identity.
func (o *calls) findLabelled(k *callKey, peer *enmesh.Peer) *series[spread] {
	key := labelledKey{*k, telemetry.WorkloadOf(func(label string) string { return peer.Labels[label] })}
	hash := uint64(telemetry.Hash(k.hash()).String(key.peer.App).String(key.peer.Version))
	if s, ok := o.labelled.Get(hash, &key); ok {
		return s
	}
	shown, known := o.shown(k)
	s, room := o.family.series(callValues(o.scope, &shown, key.peer.WithIdentity(k.principal)))
	if room && known {
		o.labelled.Put(hash, key, s)
	} else {
		o.family.folded.Add(1)
	}
	return s
}

// attemptKey is all that may differ between the attempts of a chain.
type attemptKey struct {
	service  string
	version  string
	flag     enmesh.Flag
	outcome  enmesh.Outcome
	protocol enmesh.Protocol
}

// attempts observes the attempts of one chain.
type attempts struct {
	scope  telemetry.Scope
	family *family[lane.Counter]
	cache  telemetry.Cache[attemptKey, *series[lane.Counter]]
}

// Observe counts an attempt.
func (o *attempts) Observe(r enmesh.Result) {
	c := r.Call
	k := attemptKey{
		service: c.Service, version: telemetry.VersionOf(c.Endpoint),
		flag: telemetry.FlagOf(r.Err), outcome: r.Outcome, protocol: c.Protocol,
	}
	h := telemetry.Hash(0).Uint(uint64(k.outcome)<<8 | uint64(k.protocol)).String(k.version)
	if k.flag != "" {
		h = h.String(string(k.flag))
	}
	if s, ok := o.cache.Get(uint64(h), &k); ok {
		s.value.Add(1)
		return
	}
	key := k
	s, room := o.family.series(attemptValues(o.scope, &key))
	if room {
		o.cache.Put(uint64(h), key, s)
	} else {
		o.family.folded.Add(1)
	}
	s.value.Add(1)
}

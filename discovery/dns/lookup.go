// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/enmesh-go/enmesh/discovery"
)

// lookup is one look-up of a service, of which a watch makes many. What a question was
// answered before is used when it fails.
type lookup struct {
	*Resolver
	before map[question]found // as of the last look-up that was answered

	mu     sync.Mutex // guards what follows while questions are out
	now    map[question]found
	fresh  int   // questions that were answered
	failed error // why the last one that was not was not
}

// found are the records that answer a question.
type found struct {
	exists  bool
	records []record
	extra   *answer // where addresses of targets may stand
	ttl     time.Duration
}

// outcome is what a look-up came to.
type outcome struct {
	set    []discovery.Endpoint
	exists bool // false: there is no such name
	ttl    time.Duration
}

// run looks the service up under the first of its names that exists. It fails when no
// question was answered anew.
func (l *lookup) run(ctx context.Context, q query) (outcome, error) {
	l.now, l.fresh, l.failed = map[question]found{}, 0, nil
	if q.addr.IsValid() {
		set := hostSet([]netip.Addr{q.addr}, q.port)
		return outcome{set: set, exists: true, ttl: l.cfg.MaxTTL}, nil
	}
	out := outcome{ttl: l.cfg.MaxTTL}
	for _, name := range q.names {
		try := l.host
		if q.srv {
			try = l.srv
		}
		one, err := try(ctx, name, q.port)
		if err != nil {
			return outcome{}, err
		}
		one.ttl = min(one.ttl, out.ttl)
		if out = one; one.exists {
			break
		}
	}
	if l.fresh == 0 {
		return outcome{}, l.failed
	}
	l.before = l.now
	return out, nil
}

// host makes an endpoint of every address of a name.
func (l *lookup) host(ctx context.Context, name string, port uint16) (outcome, error) {
	addrs, exists, ttl, err := l.addresses(ctx, name)
	if err != nil {
		return outcome{}, err
	}
	return outcome{set: hostSet(addrs, port), exists: exists, ttl: ttl}, nil
}

func hostSet(addrs []netip.Addr, port uint16) []discovery.Endpoint {
	set := make([]discovery.Endpoint, len(addrs))
	for i, a := range addrs {
		set[i] = discovery.Endpoint{Addrs: []string{netip.AddrPortFrom(a, port).String()}}
	}
	return set
}

// addresses are those of a name, sorted. It fails when no question was answered, or
// when what was answered is nothing.
func (l *lookup) addresses(ctx context.Context, name string) (addrs []netip.Addr, exists bool, ttl time.Duration, err error) {
	types := []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA}
	switch l.cfg.Family {
	case IPv4:
		types = types[:1]
	case IPv6:
		types = types[1:]
	}
	results, errs := make([]found, len(types)), make([]error, len(types))
	var questions sync.WaitGroup
	for i, t := range types {
		questions.Go(func() { results[i], errs[i] = l.question(ctx, question{name, t}) })
	}
	questions.Wait()
	ttl, none := l.cfg.MaxTTL, l.cfg.MaxTTL // of the addresses, and of there being none
	for _, f := range results {
		exists = exists || f.exists
		for _, r := range f.records {
			addrs = append(addrs, r.addr)
		}
		if len(f.records) > 0 {
			ttl = min(ttl, f.ttl)
		} else {
			none = min(none, f.ttl)
		}
	}
	if len(addrs) == 0 {
		return nil, exists, none, errors.Join(errs...)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), exists, ttl, nil
}

// question asks, and falls back on what was answered before. It may run beside others.
func (l *lookup) question(ctx context.Context, q question) (found, error) {
	a, err := l.ask(ctx, q)
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.before[q]
	switch {
	case err == nil:
		records, seconds := a.of(q)
		f = found{exists: a.exists, records: records, extra: &a, ttl: inSeconds(seconds)}
		l.fresh++
	case ok:
		f.ttl = l.cfg.MinTTL // asked again soon
		l.failed = err
	default:
		return found{}, err
	}
	l.now[q] = f
	return f, nil
}

// srv makes an endpoint of every SRV record of a name.
func (l *lookup) srv(ctx context.Context, name string, _ uint16) (outcome, error) {
	f, err := l.question(ctx, question{name, dnsmessage.TypeSRV})
	if err != nil {
		return outcome{}, err
	}
	out := outcome{exists: f.exists, ttl: f.ttl, set: []discovery.Endpoint{}}
	records := usable(f.records)
	targets, err := l.targets(ctx, f.extra, records)
	if err != nil {
		return outcome{}, err
	}
	rank, last := uint32(0), uint16(0)
	for i, r := range records {
		t := targets[r.target]
		out.ttl = min(out.ttl, t.ttl)
		if i > 0 && r.priority != last {
			rank++
		}
		last = r.priority
		if len(t.addrs) == 0 {
			continue
		}
		e := discovery.Endpoint{Weight: uint32(r.weight), Priority: rank}
		for _, a := range t.addrs {
			e.Addrs = append(e.Addrs, net.JoinHostPort(a.String(), strconv.Itoa(int(r.port))))
		}
		out.set = append(out.set, e)
	}
	return out, nil
}

// usable are the records that name a host and a port, by priority and then by name.
func usable(records []record) []record {
	records = slices.Clone(records)
	records = slices.DeleteFunc(records, func(r record) bool { return r.port == 0 || r.target == "." || r.target == "" })
	slices.SortFunc(records, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), strings.Compare(a.target, b.target), cmp.Compare(a.port, b.port))
	})
	return slices.CompactFunc(records, func(a, b record) bool {
		return a.priority == b.priority && a.target == b.target && a.port == b.port
	})
}

// target is the host that an SRV record names.
type target struct {
	addrs []netip.Addr
	ttl   time.Duration
	err   error
}

// targets finds the addresses of all hosts that records name: beside them in the
// answer, else by asking. It fails when some could not be found out and none has any.
func (l *lookup) targets(ctx context.Context, extra *answer, records []record) (map[string]target, error) {
	const atOnce = 8
	out := make(map[string]target, len(records))
	var mu sync.Mutex // guards out
	var questions sync.WaitGroup
	turn := make(chan struct{}, atOnce)
	for _, r := range records {
		mu.Lock()
		_, have := out[r.target]
		if !have {
			out[r.target] = l.beside(extra, r.target)
			have = len(out[r.target].addrs) > 0
		}
		mu.Unlock()
		if have {
			continue
		}
		turn <- struct{}{}
		questions.Go(func() {
			defer func() { <-turn }()
			var t target
			t.addrs, _, t.ttl, t.err = l.addresses(ctx, r.target)
			mu.Lock()
			defer mu.Unlock()
			out[r.target] = t
		})
	}
	questions.Wait()
	return out, l.settle(out)
}

// settle has hosts whose addresses could not be found out asked for again soon; its
// error is that of one of them when no host has an address.
func (l *lookup) settle(targets map[string]target) error {
	var failed error
	some := false
	for name, t := range targets {
		some = some || len(t.addrs) > 0
		if t.err != nil {
			failed = t.err
			targets[name] = target{ttl: l.cfg.MinTTL}
		}
	}
	if some {
		return nil
	}
	return failed
}

// beside finds a host's addresses in the answer that named it.
func (l *lookup) beside(a *answer, host string) target {
	t := target{ttl: l.cfg.MaxTTL}
	for _, typ := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		if typ == dnsmessage.TypeA && l.cfg.Family == IPv6 || typ == dnsmessage.TypeAAAA && l.cfg.Family == IPv4 {
			continue
		}
		records, seconds := a.of(question{host, typ})
		for _, r := range records {
			t.addrs = append(t.addrs, r.addr)
			t.ttl = min(t.ttl, inSeconds(seconds))
		}
	}
	slices.SortFunc(t.addrs, netip.Addr.Compare)
	t.addrs = slices.Compact(t.addrs)
	return t
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh/discovery"
)

// LocalityConfig says how near an endpoint must be to be preferred: Istio's
// localityLbSetting and zoneAwareLbSetting, with what the client knows of itself. The
// zero value prefers nothing but what the registry does (see [discovery.Endpoint],
// Priority). It is a value: its slices and map are not written after it was used.
type LocalityConfig struct {
	// Disabled leaves everything below aside (Istio: enabled: false).
	Disabled bool
	// Local is where the client stands. While it is the zero Locality no place is nearer
	// than another; in Distribute, only "*" matches it.
	Local discovery.Locality
	// Labels are the client's own, for FailoverPriority.
	Labels map[string]string
	// OutlierDetection says that endpoints of the destination can be found bad, by
	// outlier detection or active checks. Without it Failover, FailoverPriority and
	// the tiers by locality have no effect, as in Istio: load would never leave the
	// first tier.
	OutlierDetection bool
	// Failover names, for the client's own region, the one that load goes to before
	// all others.
	Failover []RegionFailover
	// FailoverPriority are labels, "key" or "key=value", that are compared in order: an
	// endpoint that has all of them as the client has (or as the value says) comes
	// first, one that has all but the last comes second, and so on. The keys
	// "topology.kubernetes.io/region", "topology.kubernetes.io/zone" and
	// "topology.istio.io/subzone" mean the locality where there is no such label. A
	// label that neither side has is the same on both.
	FailoverPriority []string
	// Distribute gives shares of the load to localities; the first entry whose From has
	// the client's locality counts. It excludes Failover, FailoverPriority and ZoneAware,
	// and needs no outlier detection.
	Distribute []Distribute
	// ZoneAware prefers the client's own zone by as much as it can bear.
	ZoneAware ZoneAware
	// RemoteAfter is how many attempts stay in the tiers that have the load: after so
	// many a call leaves out the first tier, after twice as many the first two, as long
	// as others have healthy endpoints (Istio's retryRemoteLocalities is 2, Envoy's
	// previous_priorities with that update frequency). 0: an attempt goes where a first
	// one would, and to other tiers only for want of an endpoint it has not tried. A call
	// whose [enmesh.Route] has a RemoteAfter goes by that.
	RemoteAfter int
}

// RegionFailover is one entry of LocalityConfig.Failover.
type RegionFailover struct{ From, To string }

// Distribute is one entry of LocalityConfig.Distribute. From and the Locality of its
// shares are "region/zone/subzone", each part of which may be "*" and may be left out
// from the right, which means the same.
type Distribute struct {
	From string
	To   []LocalityShare
}

// LocalityShare is the share of the load, in percent, of the endpoints in a locality.
// Where several localities match, each has as much of it as the weights of its
// endpoints; an endpoint counts for the most specific one it is in. What is named
// nowhere gets nothing.
type LocalityShare struct {
	Locality string
	Percent  uint32
}

// Equal reports whether cfg and o say the same: a picker need not be built anew.
func (cfg LocalityConfig) Equal(o LocalityConfig) bool {
	sameShare := func(a, b Distribute) bool { return a.From == b.From && slices.Equal(a.To, b.To) }
	return cfg.Disabled == o.Disabled && cfg.Local == o.Local && maps.Equal(cfg.Labels, o.Labels) &&
		cfg.OutlierDetection == o.OutlierDetection &&
		slices.Equal(cfg.Failover, o.Failover) &&
		slices.Equal(cfg.FailoverPriority, o.FailoverPriority) &&
		slices.EqualFunc(cfg.Distribute, o.Distribute, sameShare) &&
		cfg.ZoneAware == o.ZoneAware && cfg.RemoteAfter == o.RemoteAfter
}

// Validate says what is wrong with cfg, as Istio's validation would; nil: nothing.
// [Locality] does not ask for it.
func (cfg LocalityConfig) Validate() error {
	if len(cfg.Distribute) > 0 && (len(cfg.Failover) > 0 || len(cfg.FailoverPriority) > 0) {
		return fmt.Errorf("balance: locality: distribute excludes failover and failoverPriority")
	}
	if len(cfg.Distribute) > 0 && cfg.ZoneAware.Enabled {
		return fmt.Errorf("balance: locality: distribute excludes zone awareness")
	}
	if cfg.RemoteAfter < 0 {
		return fmt.Errorf("balance: locality: RemoteAfter is %d; it counts attempts", cfg.RemoteAfter)
	}
	for _, f := range cfg.Failover {
		if err := f.validate(); err != nil {
			return err
		}
	}
	for i, d := range cfg.Distribute {
		if err := d.validate(); err != nil {
			return err
		}
		if slices.ContainsFunc(cfg.Distribute[:i], func(o Distribute) bool { return o.From == d.From }) {
			return fmt.Errorf("balance: locality: distribute from %q twice", d.From)
		}
	}
	return cfg.validateLabels()
}

func (f RegionFailover) validate() error {
	switch {
	case f.From == "" || f.To == "":
		return fmt.Errorf("balance: locality: failover from %q to %q names no region", f.From, f.To)
	case f.From == f.To:
		return fmt.Errorf("balance: locality: failover from %q to itself", f.From)
	case strings.ContainsAny(f.From+f.To, "*/"):
		return fmt.Errorf("balance: locality: failover from %q to %q: these are regions, without zones and wildcards", f.From, f.To)
	}
	return nil
}

func (d Distribute) validate() error {
	if _, err := parsePlace(d.From); err != nil {
		return err
	}
	sum := uint64(0)
	for i, to := range d.To {
		if _, err := parsePlace(to.Locality); err != nil {
			return err
		}
		if to.Percent < 1 || to.Percent > 100 {
			return fmt.Errorf("balance: locality: share of %q is %d%%; it is 1 to 100", to.Locality, to.Percent)
		}
		if slices.ContainsFunc(d.To[:i], func(o LocalityShare) bool { return o.Locality == to.Locality }) {
			return fmt.Errorf("balance: locality: distribute from %q has %q twice", d.From, to.Locality)
		}
		sum += uint64(to.Percent)
	}
	if sum != 100 {
		return fmt.Errorf("balance: locality: shares of distribute from %q are %d%% together, want 100", d.From, sum)
	}
	return nil
}

func (cfg LocalityConfig) validateLabels() error {
	for _, label := range cfg.FailoverPriority {
		key, _, _ := strings.Cut(label, "=")
		if key == "" {
			return fmt.Errorf("balance: locality: failoverPriority %q has no key", label)
		}
		if cfg.ZoneAware.Enabled && (key == regionLabel || key == zoneLabel || key == subZoneLabel) {
			return fmt.Errorf("balance: locality: failoverPriority %q is what zone awareness does by itself", label)
		}
	}
	return nil
}

// place is a pattern of localities; "" and "*" match anything.
type place struct{ region, zone, subZone string }

func parsePlace(s string) (place, error) {
	parts := strings.Split(s, "/")
	if s == "" || len(parts) > 3 || slices.Contains(parts, "") {
		return place{}, fmt.Errorf("balance: locality: %q is not a region/zone/subzone with * for any", s)
	}
	for i, p := range parts {
		if strings.Contains(p, "*") && p != "*" {
			return place{}, fmt.Errorf("balance: locality: %q: * stands for a whole part", s)
		}
		if p == "*" {
			parts[i] = ""
		}
	}
	parts = append(parts, "", "")
	return place{parts[0], parts[1], parts[2]}, nil
}

func (p place) matches(l discovery.Locality) bool {
	fits := func(pattern, part string) bool { return pattern == "" || pattern == part }
	return fits(p.region, l.Region) && fits(p.zone, l.Zone) && fits(p.subZone, l.SubZone)
}

// named is how many parts are not left open.
func (p place) named() int {
	n := 0
	for _, part := range [...]string{p.region, p.zone, p.subZone} {
		if part != "" {
			n++
		}
	}
	return n
}

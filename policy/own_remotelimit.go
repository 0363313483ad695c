// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/enmesh-go/enmesh/limit"
)

// SharedLimit is a limit that a fleet shares, counted by whom the program names Provider.
type SharedLimit struct {
	Provider string
	Config   limit.SharedConfig
}

// ServiceLimit is a limit that a rate limit service decides, the one that the program names
// Provider.
type ServiceLimit struct {
	Provider string
	Config   limit.ServiceConfig
}

type sharedBucketSpec struct {
	Provider string
	Name     string
	Rate     float64
	Burst    int64
}

type rateLimitServiceSpec struct {
	Provider    string
	Domain      string
	OnFailure   string `oneof:"ALLOW DENY"`
	Descriptors []*descriptorSpec
}

type descriptorSpec struct {
	Entries []*descriptorEntrySpec
}

type descriptorEntrySpec struct {
	limitKeySpec
	Key      string
	Value    string
	Optional bool
}

// The bounds of what others count: of Redis's arithmetic, and of one request's size.
const (
	maxSharedRate        = 1e6
	maxDescriptors       = 16
	maxDescriptorEntries = 16
	maxServiceUnits      = 1_000_000
)

func (s *limitSpec) checkShared(c cursor) {
	if s.SharedBucket == nil {
		return
	}
	at := c.field("sharedBucket")
	needed(at.field("provider"), "the name given to mesh.WithSharedLimits")
	needed(at.field("rate"), "the number of calls a second, of the whole fleet")
	checkAbove(at.field("rate"), s.SharedBucket.Rate, maxSharedRate)
	checkRange(at.field("burst"), s.SharedBucket.Burst, 1, maxLimitUnits)
	switch name := at.field("name"); {
	case name.isSet() && !limitName(s.SharedBucket.Name):
		name.refuse("%q is no name: use up to 200 letters, digits and - _ . /", clip(s.SharedBucket.Name))
	case !name.isSet() && s.Name == "":
		at.refuse("a limit of a fleet needs a name that stays when rules move: add name to the rule, or to sharedBucket")
	}
	if s.Headers == "ALWAYS" {
		c.field("headers").refuse("nobody knows at each call what is left in the fleet: use ON_REFUSAL or NEVER")
	}
	if c.field("cost").isSet() {
		c.field("cost").refuse("a call takes one of a sharedBucket: remove cost")
	}
}

// limitName reports whether a name can be that of a limit everywhere.
func limitName(name string) bool {
	const more = "-_./"
	for _, r := range name {
		if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(more, r)) {
			return false
		}
	}
	return name != "" && len(name) <= 200
}

func (s *limitSpec) checkService(c cursor, server bool) {
	if s.RateLimitService == nil {
		return
	}
	at := c.field("rateLimitService")
	needed(at.field("provider"), "the name given to mesh.WithRateLimitService")
	needed(at.field("domain"), "the domain of the service's configuration")
	for field, why := range map[string]string{
		"key":     "the descriptors say whose limit a call counts against",
		"headers": "the service says which headers a refusal has",
	} {
		if c.field(field).isSet() {
			c.field(field).refuse("%s: remove %s", why, field)
		}
	}
	checkRange(c.field("cost"), s.Cost, 1, maxServiceUnits)
	of := at.field("descriptors")
	switch n := len(s.RateLimitService.Descriptors); {
	case n == 0:
		of.refuse("the service would be told nothing: add descriptors: [{entries: [...]}]")
	case n > maxDescriptors:
		of.refuse("%d descriptors are more than %d", n, maxDescriptors)
	}
	for i, d := range s.RateLimitService.Descriptors {
		entries := of.item(i).field("entries")
		switch n := len(d.Entries); {
		case n == 0:
			entries.refuse("a descriptor has entries: add some, such as {key: user, header: x-user}")
		case n > maxDescriptorEntries:
			entries.refuse("%d entries are more than %d", n, maxDescriptorEntries)
		}
		for j, e := range d.Entries {
			e.check(entries.item(j), server)
		}
	}
}

func (e *descriptorEntrySpec) check(c cursor, server bool) {
	needed(c.field("key"), "the entry's key in the service's configuration")
	one(c, append([]string{"value"}, keyParts...)...)
	e.checkParts(c, server)
	if v := c.field("value"); v.isSet() && e.Value == "" {
		v.refuse("an empty value limits nothing: write one")
	}
	if o := c.field("optional"); o.isSet() && c.field("value").isSet() {
		o.refuse("a constant is never missing: remove optional")
	}
}

// shared is the limit as whoever counts takes it.
func (s *limitSpec) shared(own Own) SharedLimit {
	name := s.SharedBucket.Name
	if name == "" {
		name = strings.TrimPrefix(own.Document, rateLimit+" ") + "/" + s.Name
	}
	return SharedLimit{s.SharedBucket.Provider, limit.SharedConfig{
		Name: name, Rate: s.SharedBucket.Rate, Burst: int(s.SharedBucket.Burst), By: s.by(), MaxKeys: int(s.MaxKeys),
		Status: int(s.Status), Headers: limitHeaders[s.Headers], Envoy: s.EnvoyHeaders,
	}}
}

// service is the limit as the service's client takes it.
func (s *limitSpec) service() *ServiceLimit {
	of := s.RateLimitService
	cfg := limit.ServiceConfig{
		Domain: of.Domain, Deny: of.OnFailure == "DENY", Cost: uint32(s.Cost), Status: int(s.Status), Envoy: s.EnvoyHeaders,
	}
	for _, d := range of.Descriptors {
		var entries []limit.ServiceEntry
		for _, e := range d.Entries {
			entry := limit.ServiceEntry{Key: e.Key, Value: e.Value, Optional: e.Optional}
			if e.Value == "" {
				entry.By = e.key()
			}
			entries = append(entries, entry)
		}
		cfg.Descriptors = append(cfg.Descriptors, entries)
	}
	return &ServiceLimit{of.Provider, cfg}
}

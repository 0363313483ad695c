// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/policy"
)

func TestRemoteLimits_compile(t *testing.T) {
	s := parse(t, policy.Loader{Namespace: "shop"}, own("RateLimit", "shop/tenants", `rules: [
  {name: each, key: [{header: x-tenant}, {method: true}], maxKeys: 500, status: 503, headers: NEVER, sharedBucket: {provider: fleet, rate: 1000, burst: 200}},
  {envoyHeaders: true, sharedBucket: {provider: fleet, name: all/reviews, rate: 0.5}},
  {cost: 3, status: 420, envoyHeaders: true, rateLimitService: {provider: envoy, domain: shop, onFailure: DENY, descriptors: [
    {entries: [{key: user, header: x-user, optional: true}, {key: generic_key, value: reviews}]},
    {entries: [{key: path, path: true}]}]}},
  {rateLimitService: {provider: envoy, domain: shop, descriptors: [{entries: [{key: method, method: true}]}]}}]`))
	if got := notes(s); got != "" {
		t.Errorf("got notes %s", got)
	}
	limits := s.Inbound.RateLimit.Limits
	for i, want := range []any{
		policy.SharedLimit{Provider: "fleet", Config: limit.SharedConfig{
			Name: "shop/tenants/each", Rate: 1000, Burst: 200, By: limit.ByAll(limit.ByHeader("x-tenant"), limit.ByMethod()), MaxKeys: 500,
			Status: 503, Headers: limit.Never,
		}},
		policy.SharedLimit{Provider: "fleet", Config: limit.SharedConfig{Name: "all/reviews", Rate: 0.5, Envoy: true}},
		&policy.ServiceLimit{Provider: "envoy", Config: limit.ServiceConfig{
			Domain: "shop", Deny: true, Cost: 3, Status: 420, Envoy: true, Descriptors: [][]limit.ServiceEntry{
				{{Key: "user", By: limit.ByHeader("x-user"), Optional: true}, {Key: "generic_key", Value: "reviews"}},
				{{Key: "path", By: limit.ByPath()}},
			},
		}},
		&policy.ServiceLimit{Provider: "envoy", Config: limit.ServiceConfig{
			Domain: "shop", Descriptors: [][]limit.ServiceEntry{{{Key: "method", By: limit.ByMethod()}}},
		}},
	} {
		if !reflect.DeepEqual(limits[i].Limit, want) {
			t.Errorf("rule %d: got %+v, want %+v", i, limits[i].Limit, want)
		}
	}
}

// A claim is part of a key wherever a header can be, on servers.
func TestRateLimit_claims(t *testing.T) {
	s := parse(t, policy.Loader{}, own("RateLimit", "a", `rules: [
  {key: [{claim: sub}, {path: true}], tokenBucket: {rate: 1}},
  {name: b, key: [{claim: tenant}], sharedBucket: {provider: p, rate: 1}},
  {rateLimitService: {provider: p, domain: d, descriptors: [{entries: [{key: user, claim: sub, optional: true}]}]}}]`))
	if got := notes(s); got != "" {
		t.Errorf("got notes %s", got)
	}
	limits := s.Inbound.RateLimit.Limits
	keyed, _ := limits[0].Limit.(limit.KeyedConfig)
	shared, _ := limits[1].Limit.(policy.SharedLimit)
	service, _ := limits[2].Limit.(*policy.ServiceLimit)
	if keyed.By != limit.ByAll(limit.ByClaim("sub"), limit.ByPath()) || shared.Config.By != limit.ByClaim("tenant") ||
		service == nil || service.Config.Descriptors[0][0] != (limit.ServiceEntry{Key: "user", By: limit.ByClaim("sub"), Optional: true}) {
		t.Errorf("got %+v", limits)
	}
}

func TestRemoteLimits_mistakes(t *testing.T) {
	const service = "rateLimitService: {provider: p, domain: d, descriptors: [{entries: [{key: k, value: v}]}]}"
	entry := func(fields string) string {
		return "rateLimitService: {provider: p, domain: d, descriptors: [{entries: [{" + fields + "}]}]}"
	}
	for _, tt := range []struct{ rule, want string }{
		{"name: a, sharedBucket: {rate: 1}", "spec.rules[0].sharedBucket.provider: the name given to mesh.WithSharedLimits is missing: add provider"},
		{"name: a, sharedBucket: {provider: p}", "spec.rules[0].sharedBucket.rate: the number of calls a second, of the whole fleet is missing"},
		{"name: a, sharedBucket: {provider: p, rate: 1e7}", "spec.rules[0].sharedBucket.rate: 1e+07 is out of range"},
		{"name: a, sharedBucket: {provider: p, rate: 1, burst: 0}", "spec.rules[0].sharedBucket.burst: 0 is out of range"},
		{"sharedBucket: {provider: p, rate: 1}", "spec.rules[0].sharedBucket: a limit of a fleet needs a name that stays when rules move"},
		{"sharedBucket: {provider: p, name: 'a b', rate: 1}", `spec.rules[0].sharedBucket.name: "a b" is no name`},
		{"name: a, headers: ALWAYS, sharedBucket: {provider: p, rate: 1}", "spec.rules[0].headers: nobody knows at each call what is left in the fleet"},
		{"name: a, cost: 2, sharedBucket: {provider: p, rate: 1}", "spec.rules[0].cost: a call takes one of a sharedBucket"},
		{"name: a, sharedBucket: {provider: p, rate: 1}, tokenBucket: {rate: 1}", "sharedBucket: tokenBucket is set too, and only one of them may be"},
		{"name: a, key: [{principal: true}], sharedBucket: {provider: p, rate: 1}", "spec.rules[0].key[0].principal: calls that this process makes have no principal"},
		{"key: [{claim: sub}], tokenBucket: {rate: 1}", "spec.rules[0].key[0].claim: calls that this process makes have no claim"},
		{"key: [{claim: ''}], tokenBucket: {rate: 1}", "spec.rules[0].key[0].claim: an empty name is of no claim"},
		{entry("key: k, claim: sub"), "descriptors[0].entries[0].claim: calls that this process makes have no claim"},
		{"key: [{path: true}], " + service, "spec.rules[0].key: the descriptors say whose limit a call counts against"},
		{"headers: NEVER, " + service, "spec.rules[0].headers: the service says which headers a refusal has"},
		{"rateLimitService: {descriptors: [{entries: [{key: k, value: v}]}]}", "spec.rules[0].rateLimitService.provider: the name given to mesh.WithRateLimitService is missing: add provider"},
		{"rateLimitService: {provider: p, descriptors: [{entries: [{key: k, value: v}]}]}", "spec.rules[0].rateLimitService.domain: the domain of the service's configuration is missing"},
		{"rateLimitService: {provider: p, domain: d}", "spec.rules[0].rateLimitService.descriptors: the service would be told nothing"},
		{"rateLimitService: {provider: p, domain: d, descriptors: [{entries: []}]}", "spec.rules[0].rateLimitService.descriptors[0].entries: a descriptor has entries"},
		{"rateLimitService: {provider: p, domain: d, onFailure: MAYBE, descriptors: [{entries: [{key: k, value: v}]}]}", "onFailure"},
		{entry("value: v"), "descriptors[0].entries[0].key: the entry's key in the service's configuration is missing: add key"},
		{entry("key: k"), "descriptors[0].entries[0]: nothing is said: add one of value, header, method, path, principal"},
		{entry("key: k, value: ''"), "descriptors[0].entries[0].value: an empty value limits nothing"},
		{entry("key: k, value: v, header: h"), "descriptors[0].entries[0].header: value is set too"},
		{entry("key: k, value: v, optional: true"), "descriptors[0].entries[0].optional: a constant is never missing"},
		{entry("key: k, source: {ipv4Bits: 8}"), "descriptors[0].entries[0].source: calls that this process makes have no source"},
		{entry("key: k, header: 'a b'"), `descriptors[0].entries[0].header: "a b" is no name of a header`},
	} {
		_, err := policy.Parse([]policy.File{{Name: "a.yaml", Data: []byte(own("RateLimit", "a", "host: a, rules: [{"+tt.rule+"}]"))}})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "a.yaml:5:") {
			t.Errorf("%s: got %v, want %s", tt.rule, err, tt.want)
		}
	}
}

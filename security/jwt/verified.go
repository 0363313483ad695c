// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/enmesh-go/enmesh"
)

// verified is what is known of a token that a rule accepts. It is never written again.
type verified struct {
	rule *rule
	ring *ring // that has a key which has signed it
	auth *enmesh.Auth
	life span
	out  []header // for the handler
}

type header struct{ name, value string }

// holds reports whether the token would be verified again now.
func (v *verified) holds(now time.Time, at enmesh.Instant, leeway time.Duration) bool {
	set := v.rule.store.get(at)
	return set != nil && set.ring == v.ring && v.life.check(now, leeway) == nil
}

// headers are those that a rule makes of a token.
func (r *rule) headers(t *token) []header {
	var all []header
	if r.payload != "" {
		all = append(all, header{r.payload, t.payload})
	}
	for _, o := range r.outputs {
		if text, ok := claimText(claim(t.claims, o.Claim)); ok {
			all = append(all, header{o.Header, text})
		}
	}
	return all
}

// claimText is a claim of text, integer or truth value, if it is one line.
func claimText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, !hasControl(v)
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		_, err := strconv.ParseInt(v.String(), 10, 64)
		return v.String(), err == nil
	}
	return "", false
}

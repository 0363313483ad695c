// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// narrow is the matches of a delegate's rule, each put together with every match above
// that holds all it does; without matches on one side they are the other's. conflict
// is the first for which there is none, else -1. from says of which two each was made.
func narrow(above, own []*networking.HTTPMatchRequest) (out []*networking.HTTPMatchRequest, from []parents, conflict int) {
	switch {
	case len(above) == 0:
		for i := range own {
			from = append(from, parents{-1, i})
		}
		return own, from, -1
	case len(own) == 0:
		for i := range above {
			from = append(from, parents{i, -1})
		}
		return above, from, -1
	}
	for i, leaf := range own {
		before := len(out)
		for j, root := range above {
			if inside(root, leaf) {
				out, from = append(out, both(root, leaf)), append(from, parents{j, i})
			}
		}
		if len(out) == before {
			return nil, nil, i
		}
	}
	return out, from, -1
}

// parents are the numbers of the two matches that one was made of, that of the rule which
// delegates and the delegate's own; -1 is none.
type parents struct{ above, own int }

// both is the conditions of two matches that do not contradict one another: the
// delegate's, and those above on what it leaves open.
func both(root, leaf *networking.HTTPMatchRequest) *networking.HTTPMatchRequest {
	return &networking.HTTPMatchRequest{
		Name:            joined(root.GetName(), leaf.GetName()),
		Uri:             either(leaf.GetUri(), root.GetUri()),
		Scheme:          either(leaf.GetScheme(), root.GetScheme()),
		Method:          either(leaf.GetMethod(), root.GetMethod()),
		Authority:       either(leaf.GetAuthority(), root.GetAuthority()),
		Headers:         union(root.GetHeaders(), leaf.GetHeaders()),
		WithoutHeaders:  union(root.GetWithoutHeaders(), leaf.GetWithoutHeaders()),
		QueryParams:     union(root.GetQueryParams(), leaf.GetQueryParams()),
		SourceLabels:    union(root.GetSourceLabels(), leaf.GetSourceLabels()),
		Port:            cmp.Or(leaf.GetPort(), root.GetPort()),
		SourceNamespace: cmp.Or(leaf.GetSourceNamespace(), root.GetSourceNamespace()),
		StatPrefix:      cmp.Or(leaf.GetStatPrefix(), root.GetStatPrefix()),
		Gateways:        common(root.GetGateways(), leaf.GetGateways()),
		IgnoreUriCase:   leaf.GetIgnoreUriCase(),
	}
}

func either(first, second *networking.StringMatch) *networking.StringMatch {
	if first != nil {
		return first
	}
	return second
}

// union is the entries of two maps, the second's going first; nil for none.
func union[V any](a, b map[string]V) map[string]V {
	if len(a)+len(b) == 0 {
		return nil
	}
	out := make(map[string]V, len(a)+len(b))
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// common is the narrower of two lists of gateways, of which an empty one is any.
func common(above, own []string) []string {
	if len(own) == 0 {
		return above
	}
	return own
}

// inside reports whether a delegate's match can be put together with one above: on
// whatever both speak of, it asks for no less.
func inside(root, leaf *networking.HTTPMatchRequest) bool {
	return root.GetIgnoreUriCase() == leaf.GetIgnoreUriCase() &&
		narrower(root.GetUri(), leaf.GetUri()) &&
		narrower(root.GetScheme(), leaf.GetScheme()) &&
		narrower(root.GetMethod(), leaf.GetMethod()) &&
		narrower(root.GetAuthority(), leaf.GetAuthority()) &&
		allNarrower(root.GetHeaders(), leaf.GetHeaders()) &&
		allNarrower(leaf.GetWithoutHeaders(), root.GetWithoutHeaders()) && // what is wider takes less
		allNarrower(root.GetQueryParams(), leaf.GetQueryParams()) &&
		agree(root.GetPort(), leaf.GetPort()) &&
		agree(root.GetSourceNamespace(), leaf.GetSourceNamespace()) &&
		agreeOn(root.GetSourceLabels(), leaf.GetSourceLabels()) &&
		(len(root.GetGateways()) == 0 || !slices.ContainsFunc(leaf.GetGateways(), func(g string) bool {
			return !slices.Contains(root.GetGateways(), g)
		}))
}

// agree reports whether two values are the same where both are set.
func agree[T comparable](a, b T) bool {
	var none T
	return a == none || b == none || a == b
}

func agreeOn(a, b map[string]string) bool {
	for key, value := range b {
		if other, ok := a[key]; ok && other != value {
			return false
		}
	}
	return true
}

func allNarrower(root, leaf map[string]*networking.StringMatch) bool {
	for key, own := range leaf {
		if above, ok := root[key]; ok && !narrower(above, own) {
			return false
		}
	}
	return true
}

// narrower reports whether whatever a delegate's condition holds for, the one above
// holds for too. Of an expression that cannot be told: Istio allows none beside
// another condition. A condition that only asks for presence holds for all.
func narrower(root, leaf *networking.StringMatch) bool {
	if root.GetMatchType() == nil {
		return true
	}
	switch own := leaf.GetMatchType().(type) {
	case nil:
		return leaf == nil // "present" is wider than what root asks for
	case *networking.StringMatch_Exact:
		switch above := root.GetMatchType().(type) {
		case *networking.StringMatch_Exact:
			return own.Exact == above.Exact
		case *networking.StringMatch_Prefix:
			return strings.HasPrefix(own.Exact, above.Prefix)
		}
	case *networking.StringMatch_Prefix:
		if above, ok := root.GetMatchType().(*networking.StringMatch_Prefix); ok {
			return strings.HasPrefix(own.Prefix, above.Prefix)
		}
	}
	return false
}

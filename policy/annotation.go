// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// annotationPrefix is of the annotations that say what Istio has no field for. Others,
// but for Istio's own that are known, are somebody else's and not looked at.
const annotationPrefix = "enmesh.dev/"

// loadBalancerAnnotation names, in a DestinationRule, the algorithm of its host and
// subsets wherever the rule has no loadBalancer of its own.
const loadBalancerAnnotation = annotationPrefix + "load-balancer"

// strictRetriesAnnotation keeps the retries of a VirtualService from taking the gRPC codes
// that they list for consent.
const strictRetriesAnnotation = annotationPrefix + "strict-retries"

// shadowAnnotation has the timeouts, retries and faults of a VirtualService only counted.
const shadowAnnotation = annotationPrefix + "shadow"

// dryRunAnnotation makes an AuthorizationPolicy one that is only counted.
const dryRunAnnotation = "istio.io/dry-run"

// The annotations of a RequestAuthentication, which hold for each of its jwtRules; where
// issuers differ, each has a document of its own.
const (
	// tokenAlgorithmsAnnotation is a list, with commas, of the algorithms that are accepted.
	tokenAlgorithmsAnnotation = annotationPrefix + "token-algorithms"
	// tokenTypesAnnotation is a list of the values of typ that are, "none" for a token without.
	tokenTypesAnnotation = annotationPrefix + "token-types"
	// tokenSubjectAnnotation says whether a token must have a sub.
	tokenSubjectAnnotation = annotationPrefix + "token-subject"
)

// untyped is a token without typ, in a list of types.
const untyped = "none"

// pickFirst has gRPC's clients stay with one instance.
const pickFirst = "PICK_FIRST"

// annotation is what one that is known is for, and the values it may have.
type annotation struct {
	kind   string
	values []string // empty: any name of a type
	list   bool     // several, with commas between
}

// wrong is the part of a value that it may not have; ok: there is none.
func (a annotation) wrong(value string) (part string, ok bool) {
	parts := []string{value}
	if a.list {
		parts = itemsOf(value)
	}
	for i, part := range parts {
		if slices.Contains(parts[:i], part) || len(a.values) > 0 && !slices.Contains(a.values, part) || len(a.values) == 0 && !isTypeName(part) {
			return part, false
		}
	}
	return "", true
}

// itemsOf is the values of an annotation that is a list.
func itemsOf(value string) []string {
	parts := strings.Split(value, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// isTypeName reports whether s may be the typ of a token: a media type, in full or without
// its "application/".
func isTypeName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("+-./_", r))
	})
}

// annotations is every annotation that is known.
var annotations = map[string]annotation{
	loadBalancerAnnotation:  {kind: destinationRule, values: []string{"PEAK_EWMA", pickFirst}},
	strictRetriesAnnotation: {kind: virtualService, values: []string{"true", "false"}},
	shadowAnnotation:        {kind: virtualService, values: []string{"true", "false"}},
	dryRunAnnotation:        {kind: authorizationPolicy, values: []string{"true", "false"}},
	tokenAlgorithmsAnnotation: {kind: requestAuthentication, list: true, values: []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
	}},
	tokenTypesAnnotation:   {kind: requestAuthentication, list: true},
	tokenSubjectAnnotation: {kind: requestAuthentication, values: []string{"required", "optional"}},
}

// annotationPath is the field of an annotation.
func annotationPath(key string) string { return "metadata.annotations[" + strconv.Quote(key) + "]" }

// ours is the annotations that begin with our prefix, sorted.
func ours() []string {
	var names []string
	for name := range annotations {
		if strings.HasPrefix(name, annotationPrefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// annotate reads the document's own annotations.
func (d *document) annotate(w *walker, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return // Kubernetes would not take it; nothing of ours is in it
	}
	for _, p := range w.pairs(n, "metadata.annotations", 2) {
		a, known := annotations[p.key]
		if !known && !strings.HasPrefix(p.key, annotationPrefix) {
			continue
		}
		path := annotationPath(p.key)
		d.mark(path, p.keyNode)
		value := text(p.value)
		wrong, right := a.wrong(value)
		switch {
		case !known:
			d.bad(p.keyNode, path, "no such annotation%s", suggest(p.key, ours()))
		case d.enforced() && d.kind != a.kind:
			d.bad(p.keyNode, path, "this annotation is for the kind %s", a.kind)
		case !right:
			d.bad(p.value, path, "no such value %q%s", wrong, suggest(wrong, a.values))
		default:
			if d.own == nil {
				d.own = map[string]string{}
			}
			d.own[p.key] = value
			if a.kind == virtualService {
				d.judge(path, annotationRow(p.key, value), "", value)
			}
		}
	}
}

// annotationRow is the verdict on an annotation of a VirtualService.
func annotationRow(key, value string) row {
	if key == shadowAnnotation && value == "true" {
		return row{message: "timeouts, retries and faults of the document do nothing and are counted; Istio's default retries stay"}
	}
	return yes
}

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

// dryRunAnnotation makes an AuthorizationPolicy one that is only counted.
const dryRunAnnotation = "istio.io/dry-run"

// pickFirst has gRPC's clients stay with one instance.
const pickFirst = "PICK_FIRST"

// annotation is what one that is known is for, and the values it may have.
type annotation struct {
	kind   string
	values []string
}

// annotations is every annotation that is known.
var annotations = map[string]annotation{
	loadBalancerAnnotation: {destinationRule, []string{"PEAK_EWMA", pickFirst}},
	dryRunAnnotation:       {authorizationPolicy, []string{"true", "false"}},
}

// annotationPath is the field of an annotation.
func annotationPath(key string) string { return "metadata.annotations[" + strconv.Quote(key) + "]" }

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
		switch {
		case !known:
			d.bad(p.keyNode, path, "no such annotation%s", suggest(p.key, []string{loadBalancerAnnotation}))
		case d.enforced() && d.kind != a.kind:
			d.bad(p.keyNode, path, "this annotation is for the kind %s", a.kind)
		case !slices.Contains(a.values, value):
			d.bad(p.value, path, "no such value %q%s", value, suggest(value, a.values))
		default:
			if d.own == nil {
				d.own = map[string]string{}
			}
			d.own[p.key] = value
		}
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// annotationPrefix is of the annotations that say what Istio has no field for. Others
// are somebody else's and not looked at.
const annotationPrefix = "enmesh.dev/"

// loadBalancerAnnotation names, in a DestinationRule, the algorithm of its host and
// subsets wherever the rule has no loadBalancer of its own.
const loadBalancerAnnotation = annotationPrefix + "load-balancer"

// annotations is every annotation that is known, with the values it may have.
var annotations = map[string][]string{loadBalancerAnnotation: {"PEAK_EWMA"}}

// annotationPath is the field of an annotation.
func annotationPath(key string) string { return "metadata.annotations[" + strconv.Quote(key) + "]" }

// annotate reads the document's own annotations.
func (d *document) annotate(w *walker, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return // Kubernetes would not take it; nothing of ours is in it
	}
	for _, p := range w.pairs(n, "metadata.annotations", 2) {
		if !strings.HasPrefix(p.key, annotationPrefix) {
			continue
		}
		path := annotationPath(p.key)
		d.mark(path, p.keyNode)
		values, known := annotations[p.key]
		value := text(p.value)
		switch {
		case !known:
			d.bad(p.keyNode, path, "no such annotation%s", suggest(p.key, []string{loadBalancerAnnotation}))
		case d.kind != destinationRule:
			d.bad(p.keyNode, path, "this annotation is for a %s", destinationRule)
		case !slices.Contains(values, value):
			d.bad(p.value, path, "no such value %q%s", value, suggest(value, values))
		default:
			if d.own == nil {
				d.own = map[string]string{}
			}
			d.own[p.key] = value
		}
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"maps"
	"slices"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
)

// For is the same load for another process: in that namespace ("" is that of s), with
// those labels. Documents that name no namespace stay where they are for s. It reads the
// files of s again from memory, which are not to be written; it is an [*Error] if they make
// no policy for that process, as when it sees another DestinationRule, without a subset that
// a rule names.
func (s *Snapshot) For(namespace string, labels map[string]string) (*Snapshot, error) {
	l := s.loader
	l.home = cmp.Or(l.home, l.Namespace)
	l.Namespace, l.Labels = cmp.Or(namespace, l.home), maps.Clone(labels)
	return l.Parse(s.files)
}

// LabelKeys is the keys of labels by which the documents select workloads, sorted: for
// processes in one namespace that differ in other labels only, [Snapshot.For] gives the
// same. It is not to be written.
func (s *Snapshot) LabelKeys() []string { return s.selects }

// labelKeys is the keys of the labels that select workloads.
func labelKeys(docs []*document) []string {
	keys := map[string]bool{}
	add := func(labels map[string]string) {
		for key := range labels {
			keys[key] = true
		}
	}
	for _, d := range docs {
		switch spec := d.spec.(type) {
		case *networking.VirtualService:
			for _, r := range spec.GetHttp() {
				for _, m := range r.GetMatch() {
					add(m.GetSourceLabels())
				}
			}
		case *networking.DestinationRule:
			add(spec.GetWorkloadSelector().GetMatchLabels())
		case *security.AuthorizationPolicy:
			add(spec.GetSelector().GetMatchLabels())
		case *security.PeerAuthentication:
			add(spec.GetSelector().GetMatchLabels())
		case *security.RequestAuthentication:
			add(spec.GetSelector().GetMatchLabels())
		}
		if d.ownSpec != nil {
			add(d.ownSpec.attached().selector.labels())
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

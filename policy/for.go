// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
)

// For is the same load for another process: in that namespace ("" is that of s), with
// those labels. Documents that name no namespace stay where they are for s. The first For
// reads the files of s again from memory, which are not to be written, and keeps what it read
// for the next; it is safe for concurrent use. It is an [*Error] if the files make no policy
// for that process, as when it sees another DestinationRule, without a subset that a rule
// names.
func (s *Snapshot) For(namespace string, labels map[string]string) (*Snapshot, error) {
	l := s.loader
	l.home = cmp.Or(l.home, l.Namespace)
	l.Namespace, l.Labels = cmp.Or(namespace, l.home), maps.Clone(labels)
	var found problems
	made, err := l.compile(s.files, s.read.documents(l, s.files, &found), &found)
	if err != nil {
		return nil, err
	}
	made.read = s.read
	return made, nil
}

// readOnce is files as documents, which are read when they are first asked for.
type readOnce struct {
	once sync.Once
	docs []*document // as check left them; not to be changed
}

// documents is copies of the documents that files are, to be compiled.
func (r *readOnce) documents(l Loader, files []File, found *problems) []*document {
	r.once.Do(func() { r.docs = l.read(files, &problems{}) })
	out := make([]*document, len(r.docs))
	for i, d := range r.docs {
		out[i] = d.copied(found)
	}
	return out
}

// copied is a document with notes of its own. What it says is shared.
func (d *document) copied(found *problems) *document {
	c := *d
	c.problems, c.broken = found, slices.Clone(d.broken)
	c.findings, c.wholes = slices.Clone(d.findings), slices.Clone(d.wholes)
	c.revised, c.told = maps.Clone(d.revised), maps.Clone(d.told)
	return &c
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

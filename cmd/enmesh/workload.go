// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"iter"
	"strings"

	"github.com/enmesh-go/enmesh/policy"
)

// workload is the process that policy is read for, by flags.
type workload struct {
	namespace, root, domain string
	labels                  pairs
}

func (w *workload) flags(set *flag.FlagSet) {
	set.StringVar(&w.namespace, "namespace", "default", "`namespace` of the process that policy is read for, and of documents that name none")
	set.Var(&w.labels, "label", "label of the process, `key=value`, as a selector selects it; may be given several times")
	set.StringVar(&w.root, "root-namespace", policy.DefaultRootNamespace, "`namespace` whose policies are for the whole mesh")
	set.StringVar(&w.domain, "domain", "cluster.local", "`domain` of the mesh, the end of every service's full name")
}

func (w *workload) loader() policy.Loader {
	return policy.Loader{Namespace: w.namespace, Labels: w.labels.all, RootNamespace: w.root, Domain: w.domain}
}

// pairs is a flag of keys and values.
type pairs struct{ all map[string]string }

func (p *pairs) String() string { return "" }
func (p *pairs) several()       {}

// Set takes one pair.
func (p *pairs) Set(text string) error {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return fmt.Errorf("%q is not key=value", text)
	}
	if p.all == nil {
		p.all = map[string]string{}
	}
	p.all[key] = value
	return nil
}

// words is a flag that may be given several times.
type words []string

func (w *words) String() string { return "" }
func (w *words) several()       {}

// Set takes one more.
func (w *words) Set(text string) error {
	*w = append(*w, text)
	return nil
}

func fields(text string) iter.Seq[string] { return strings.FieldsSeq(text) }

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"maps"
	"slices"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"

	"github.com/enmesh-go/enmesh"
)

// DefaultRootNamespace is where Istio looks for policy of the whole mesh.
const DefaultRootNamespace = "istio-system"

// Loader says for whom policy is loaded: which documents that process sees
// (exportTo, workloadSelector), and which rules are for its own calls (sourceLabels,
// sourceNamespace). The zero Loader is for a process in the namespace "default"
// without labels.
type Loader struct {
	Namespace     string            // of the process, and of documents that name none; "" is "default"
	Labels        map[string]string // of the process
	RootNamespace string            // "" is DefaultRootNamespace
	Domain        string            // of the mesh; "" is "cluster.local"

	home string // of documents that name no namespace; "": Namespace
}

// Load reads files and directories with the zero [Loader].
func Load(paths ...string) (*Snapshot, error) { return Loader{}.Load(paths...) }

// Parse reads files in memory with the zero [Loader].
func Parse(files []File) (*Snapshot, error) { return Loader{}.Parse(files) }

// Load reads policy from files and directories, in the order given. Of a directory
// it reads the files whose names end in .yaml, .yml or .json, sorted by name; it
// leaves out hidden ones and does not descend. What Load refuses it says in an
// [*Error] that names every mistake; a path that cannot be read is another error.
func (l Loader) Load(paths ...string) (*Snapshot, error) {
	files, err := readFiles(paths)
	if err != nil {
		return nil, err
	}
	return l.Parse(files)
}

// Parse reads policy from files in memory. Their order counts: where two documents
// say different things about one host, the earlier file goes first, and within a
// file the smaller name.
func (l Loader) Parse(files []File) (*Snapshot, error) {
	var found problems
	return l.compile(files, l.read(files, &found), &found)
}

// compile makes a snapshot of the documents that files are.
func (l Loader) compile(files []File, docs []*document, found *problems) (*Snapshot, error) {
	b := &builder{Loader: l.withDefaults(), snapshot: &Snapshot{Version: versionOf(files), files: files, loader: l.withDefaults(), read: &readOnce{}}}
	b.namespaces(docs)
	b.build(docs)
	if err := found.err(files); err != nil {
		return nil, err
	}
	b.finish(docs)
	b.snapshot.selects = labelKeys(docs)
	return b.snapshot, nil
}

func (l Loader) withDefaults() Loader {
	l.Namespace = cmp.Or(l.Namespace, "default")
	l.RootNamespace = cmp.Or(l.RootNamespace, DefaultRootNamespace)
	return l
}

// read takes files apart into documents, and holds Istio's rules for them.
func (l Loader) read(files []File, found *problems) []*document {
	var docs []*document
	for i, f := range files {
		r := reader{file: f.Name, fileIndex: i, namespace: cmp.Or(l.home, l.withDefaults().Namespace), problems: found}
		r.read(f.Data)
		docs = append(docs, r.out...)
	}
	for _, d := range docs {
		check(d)
	}
	return docs
}

// check holds Istio's rules for a document.
func check(d *document) {
	if d.ownSpec != nil {
		checkOwn(cursor{d, "spec"}, d.ownSpec)
	}
	switch spec := d.spec.(type) {
	case *networking.VirtualService:
		checkVirtualService(cursor{d, "spec"}, spec)
	case *networking.DestinationRule:
		checkDestinationRule(cursor{d, "spec"}, spec)
	case *networking.ServiceEntry:
		checkServiceEntry(cursor{d, "spec"}, spec)
	case *networking.WorkloadEntry:
		checkEndpoint(cursor{d, "spec"}, spec, nil)
	case *security.AuthorizationPolicy:
		checkAuthorization(cursor{d, "spec"}, spec)
	case *security.PeerAuthentication:
		checkPeerAuthentication(cursor{d, "spec"}, spec)
	case *security.RequestAuthentication:
		checkRequestAuthentication(cursor{d, "spec"}, spec)
	}
}

// builder compiles documents into a snapshot.
type builder struct {
	Loader
	snapshot *Snapshot
	known    []string // the namespaces that documents are in
	parts    map[delegateName]*delegate
	inbound  map[string]held // this process's servers' policies, by kind
	peers    [3]*document    // PeerAuthentications: of the mesh, the namespace, the workload
}

// namespaces notes where documents are, so that "reviews.shop" can be read as a
// name and a namespace.
func (b *builder) namespaces(docs []*document) {
	seen := map[string]bool{}
	for _, d := range docs {
		seen[d.namespace] = true
	}
	b.known = slices.Sorted(maps.Keys(seen))
}

// key is the key of a host that a document names.
func (b *builder) key(d *document, host string) string {
	return enmesh.Naming{Namespace: d.namespace, Domain: b.Domain, Known: b.known}.Key(host)
}

func (b *builder) build(docs []*document) {
	ordered := slices.DeleteFunc(slices.Clone(docs), func(d *document) bool { return d.oversize })
	inOrder(ordered)
	for _, d := range ordered {
		if spec, ok := d.spec.(*networking.DestinationRule); ok && b.visible(d, spec.GetExportTo()) {
			b.addRule(d, spec)
		}
	}
	b.compileDestinations()
	b.addEntries(ordered)
	b.delegates(ordered)
	for _, d := range ordered {
		if spec, ok := d.spec.(*networking.VirtualService); ok && len(spec.GetHosts()) > 0 && b.visible(d, spec.GetExportTo()) {
			b.addService(d, spec)
		}
	}
	for _, d := range ordered {
		if d.ownSpec != nil {
			b.addOwn(d)
		}
		b.addSecurity(d)
	}
	b.enterInbound()
	b.enterPeers()
	b.replaces()
	b.unused()
	b.snapshot.sortWildcards()
}

// visible reports whether a document is exported to the process's namespace.
func (b *builder) visible(d *document, exportTo []string) bool {
	for _, to := range exportTo {
		if to == "*" || to == b.Namespace || to == "." && d.namespace == b.Namespace {
			return true
		}
	}
	if len(exportTo) == 0 {
		return true
	}
	d.withoutEffect("spec.exportTo", "not exported to namespace "+b.Namespace+", where this process is: the document has no effect")
	return false
}

// finish moves what was found into the snapshot, in the order of the files.
func (b *builder) finish(docs []*document) {
	for _, d := range docs {
		b.snapshot.Documents = append(b.snapshot.Documents, Document{
			Place: d.at(""), Group: d.group, Namespace: d.namespace,
		})
		b.snapshot.Findings = append(b.snapshot.Findings, d.sorted()...)
		b.snapshot.wholes = append(b.snapshot.wholes, d.wholes...)
	}
}

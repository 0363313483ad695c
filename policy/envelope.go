// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
)

// The groups whose kinds are compiled.
const (
	networkingGroup = "networking.istio.io"
	securityGroup   = "security.istio.io"
)

// The kinds of Istio's that are compiled.
const (
	virtualService        = "VirtualService"
	destinationRule       = "DestinationRule"
	serviceEntry          = "ServiceEntry"
	workloadEntry         = "WorkloadEntry"
	authorizationPolicy   = "AuthorizationPolicy"
	peerAuthentication    = "PeerAuthentication"
	requestAuthentication = "RequestAuthentication"
)

// istioGroup is what a group has that is compiled.
type istioGroup struct {
	versions []string
	kinds    map[string]func() proto.Message // empty specs
}

// istioGroups is all that is compiled of Istio's API.
var istioGroups = map[string]istioGroup{
	networkingGroup: {[]string{"v1", "v1beta1", "v1alpha3"}, map[string]func() proto.Message{
		virtualService:  func() proto.Message { return &networking.VirtualService{} },
		destinationRule: func() proto.Message { return &networking.DestinationRule{} },
		serviceEntry:    func() proto.Message { return &networking.ServiceEntry{} },
		workloadEntry:   func() proto.Message { return &networking.WorkloadEntry{} },
	}},
	securityGroup: {[]string{"v1", "v1beta1"}, map[string]func() proto.Message{
		authorizationPolicy:   func() proto.Message { return &security.AuthorizationPolicy{} },
		peerAuthentication:    func() proto.Message { return &security.PeerAuthentication{} },
		requestAuthentication: func() proto.Message { return &security.RequestAuthentication{} },
	}},
}

// otherKinds is every kind of Istio's that loads and is not enforced yet. An unknown
// kind in one of these groups is a mistake; one in any other group is somebody
// else's.
var otherKinds = map[string][]string{
	networkingGroup:       {"Gateway", "Sidecar", "WorkloadGroup", "EnvoyFilter", "ProxyConfig"},
	securityGroup:         {},
	"telemetry.istio.io":  {"Telemetry"},
	"extensions.istio.io": {"WasmPlugin", "TrafficExtension"},
}

// metadataFields is what Kubernetes has in metadata.
var metadataFields = []string{
	"annotations", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers",
	"generateName", "generation", "labels", "managedFields", "name", "namespace", "ownerReferences",
	"resourceVersion", "selfLink", "uid",
}

// reader reads the documents of one file.
type reader struct {
	file      string
	fileIndex int
	namespace string // of documents that name none
	number    int    // of the document that is read; the items of a List share it
	budget    int
	problems  *problems
	out       []*document
}

// read takes the file apart into r.out.
func (r *reader) read(data []byte) {
	r.budget = maxNodes
	parseYAML(data, func(root *yaml.Node) {
		r.number++
		r.object(root, root)
	}, func(at position, document int, message string) {
		r.number++
		if document == 0 && at.line != 0 {
			document = r.number
		}
		r.problems.add(Place{File: r.file, Line: at.line, Column: at.column, Document: document}, "%s", message)
	})
}

// object reads one document, or one item of a List.
func (r *reader) object(written, n *yaml.Node) {
	d := &document{
		file: r.file, fileIndex: r.fileIndex, number: r.number, namespace: r.namespace,
		start: position{written.Line, written.Column}, places: map[string]position{}, problems: r.problems,
	}
	w := walker{doc: d, budget: &r.budget}
	if n.Kind != yaml.MappingNode {
		d.bad(written, "", "a document is a mapping with apiVersion, kind, metadata and spec, not %s", describe(n))
		return
	}
	parts := map[string]*yaml.Node{}
	top := w.pairs(n, "", 0)
	for _, p := range top {
		parts[p.key] = p.value
		d.mark(p.key, p.keyNode)
	}
	d.identify(parts)
	if items := parts["items"]; items != nil && strings.HasSuffix(d.kind, "List") {
		r.unpack(&w, items)
		return
	}
	r.out = append(r.out, d)
	if d.metadata(&w, parts["metadata"]) {
		d.body(&w, top, parts["spec"])
	}
}

// unpack reads the items of a List, each as a document of its own.
func (r *reader) unpack(w *walker, items *yaml.Node) {
	if items.Kind != yaml.SequenceNode {
		w.doc.bad(items, "items", "wants a list, not %s", describe(items))
		return
	}
	for _, item := range items.Content {
		if !w.spend(item, "items") {
			return
		}
		r.object(item, resolve(item))
	}
}

// identify reads apiVersion and kind.
func (d *document) identify(parts map[string]*yaml.Node) {
	api, kind := text(parts["apiVersion"]), text(parts["kind"])
	var grouped bool
	if d.group, d.version, grouped = strings.Cut(api, "/"); !grouped {
		d.group, d.version = "", d.group
	}
	d.kind = kind
}

// metadata reads the name and namespace, and reports whether the document says what
// it is.
func (d *document) metadata(w *walker, n *yaml.Node) bool {
	if n != nil && n.Kind == yaml.MappingNode {
		for _, p := range w.pairs(n, "metadata", 1) {
			at := "metadata." + p.key
			d.mark(at, p.keyNode)
			switch p.key {
			case "name":
				d.name = text(p.value)
			case "namespace":
				if ns := text(p.value); ns != "" {
					d.namespace = ns
				}
			case "annotations":
				d.annotate(w, p.value)
			}
			if !slices.Contains(metadataFields, p.key) {
				d.bad(p.keyNode, at, "no such field in metadata%s", suggest(p.key, metadataFields))
			}
		}
	}
	switch {
	case d.version == "":
		d.refuse("apiVersion", "the version is missing: write apiVersion: networking.istio.io/v1")
	case d.kind == "":
		d.refuse("kind", "the kind is missing: write kind: VirtualService or kind: DestinationRule")
	default:
		return true
	}
	return false
}

// body reads the spec of a kind that is enforced, and says so of every other.
func (d *document) body(w *walker, top []pair, spec *yaml.Node) {
	if !d.enforced() {
		d.otherKind()
		return
	}
	if d.group == ownGroup && d.version != ownVersion {
		d.refuse("apiVersion", "version %q is unknown: write enmesh.dev/v1", d.version)
	} else if of, istio := istioGroups[d.group]; istio && !slices.Contains(of.versions, d.version) {
		d.refuse("apiVersion", "version %q is unknown: write %s/v1", d.version, d.group)
	}
	if d.name == "" {
		d.refuse("metadata.name", "the name is missing: every object has one")
	}
	known := []string{"apiVersion", "kind", "metadata", "spec", "status"}
	for _, p := range top {
		if !slices.Contains(known, p.key) {
			d.bad(p.keyNode, p.key, "no such field in %s%s", d.kind, suggest(p.key, known))
		}
	}
	if spec == nil || isNull(spec) {
		d.refuse("spec", "the spec is missing")
		return
	}
	dec := decoder{walker: *w}
	if d.group == ownGroup {
		d.ownSpec = ownKinds[d.kind]()
		dec.record(spec, reflect.ValueOf(d.ownSpec).Elem(), "spec", 1)
		return
	}
	d.spec = istioGroups[d.group].kinds[d.kind]()
	dec.message(spec, d.spec.ProtoReflect(), "spec", 1)
}

// enforced reports whether the document's kind is.
func (d *document) enforced() bool {
	if d.group == ownGroup {
		return ownKinds[d.kind] != nil
	}
	return istioGroups[d.group].kinds[d.kind] != nil
}

// otherKind says that a document of another kind loads and does nothing, unless its
// kind is a mistake.
func (d *document) otherKind() {
	kinds, istio := otherKinds[d.group]
	if d.group == ownGroup {
		kinds, istio = ownKindNames(), true
	}
	if istio && !slices.Contains(kinds, d.kind) {
		kinds = append(slices.Sorted(maps.Keys(istioGroups[d.group].kinds)), kinds...)
		d.refuse("kind", "no such kind in %s%s", d.group, suggest(d.kind, kinds))
		return
	}
	d.withoutEffect("", "kind "+d.kind+" is not enforced yet: the document has no effect")
}

// text is the value of a scalar, or "".
func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || isNull(n) {
		return ""
	}
	return n.Value
}

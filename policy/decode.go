// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// decoder fills a message of Istio's from YAML, strictly: an unknown field and a
// value of the wrong type are problems. Each scalar is read by protojson on its own,
// so that all mistakes are found and each has its place.
type decoder struct {
	walker
	quiet bool // below a field whose verdict was noted: its parts need none
}

// message fills m from a mapping.
func (d *decoder) message(n *yaml.Node, m protoreflect.Message, path string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.doc.bad(n, path, "wants a mapping, not %s", describe(n))
		return
	}
	fields := m.Descriptor().Fields()
	set := map[protoreflect.Name]string{} // fields and oneofs, by the key that set them
	for _, p := range d.pairs(n, path, depth) {
		fd := fields.ByJSONName(p.key)
		if fd == nil {
			fd = fields.ByTextName(p.key)
		}
		if fd == nil {
			d.doc.bad(p.keyNode, join(path, p.key), "no such field in %s%s", m.Descriptor().Name(), suggest(p.key, fieldNames(fields)))
			continue
		}
		at := path + "." + fd.JSONName()
		d.doc.mark(at, p.keyNode)
		if isNull(p.value) || !d.alone(fd, p, at, set) {
			continue
		}
		d.judged(fd, p.value, at, func() { d.field(p.value, m, fd, at, depth+1) })
	}
}

// alone reports, and otherwise notes, that a field was not set before under its
// other name, nor another of its oneof.
func (d *decoder) alone(fd protoreflect.FieldDescriptor, p pair, at string, set map[protoreflect.Name]string) bool {
	if other, twice := set[fd.Name()]; twice {
		d.doc.bad(p.keyNode, at, "set twice, as %s and as %s: remove one", other, p.key)
		return false
	}
	set[fd.Name()] = p.key
	oneof := fd.ContainingOneof()
	if oneof == nil || oneof.IsSynthetic() {
		return true
	}
	if other, has := set["oneof "+oneof.Name()]; has {
		d.doc.bad(p.keyNode, at, "%s is set too, and only one of them may be: remove one", other)
		return false
	}
	set["oneof "+oneof.Name()] = p.key
	return true
}

// judged runs f on a field and notes the verdict on it, unless that on what holds it
// says it all.
func (d *decoder) judged(fd protoreflect.FieldDescriptor, n *yaml.Node, at string, f func()) {
	before := d.quiet
	if !before {
		key, value := fieldKey(fd), cmp.Or(enumName(fd, n.Value), n.Value)
		r, _ := rowOf(key, enumName(fd, n.Value))
		if r.verdict != Enforced || !holdsFields(fd) {
			d.doc.judge(at, r, key, value)
			d.quiet = true
		} else if grpcFields[key] != nil {
			d.doc.wholes = append(d.doc.wholes, Finding{Place: d.doc.at(at), key: key})
		}
	}
	f()
	d.quiet = before
}

// holdsFields reports whether a field's own parts have verdicts: it is a message of
// Istio's, or a list of them. A map of messages (headers to match) is one thing.
func holdsFields(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && !fd.IsMap() && !isWellKnown(fd.Message())
}

func isWellKnown(md protoreflect.MessageDescriptor) bool {
	return md.ParentFile().Package() == "google.protobuf"
}

// field sets one field of m.
func (d *decoder) field(n *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor, path string, depth int) {
	switch {
	case fd.IsMap():
		d.entries(n, m, fd, path, depth)
	case fd.IsList():
		d.items(n, m, fd, path, depth)
	case fd.Message() != nil && !isWellKnown(fd.Message()):
		d.message(n, m.Mutable(fd).Message(), path, depth)
	default:
		if v, ok := d.scalar(n, m, fd, path); ok {
			m.Set(fd, v)
		}
	}
}

func (d *decoder) items(n *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor, path string, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.doc.bad(n, path, "wants a list, not %s", describe(n))
		return
	}
	if d.deep(n, path, depth) {
		return
	}
	list := m.Mutable(fd).List()
	for i, item := range n.Content {
		at := index(path, i)
		if !d.spend(item, at) {
			return
		}
		d.doc.mark(at, item)
		if value := resolve(item); fd.Message() != nil {
			d.message(value, list.AppendMutable().Message(), at, depth+1)
		} else if v, ok := d.scalar(value, m, fd, at); ok {
			list.Append(v.List().Get(0))
		}
	}
}

func (d *decoder) entries(n *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor, path string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.doc.bad(n, path, "wants a mapping, not %s", describe(n))
		return
	}
	values := m.Mutable(fd).Map()
	for _, p := range d.pairs(n, path, depth) {
		at := entry(path, p.key)
		d.doc.mark(at, p.keyNode)
		key, ok := mapKey(fd, p.key)
		switch {
		case !ok:
			d.doc.bad(p.keyNode, at, "a key is a whole number that is not negative here, not %q", clip(p.key))
		case values.Has(key):
			d.doc.bad(p.keyNode, at, "key %q stands twice, written differently: remove one", clip(p.key))
		case fd.MapValue().Message() == nil:
			if v, ok := d.scalarEntry(p, m, fd, at); ok {
				values.Set(key, v)
			}
		case isNull(p.value): // of a map of matches: the key is there, with any value
			values.Mutable(key)
		default:
			d.message(p.value, values.Mutable(key).Message(), at, depth+1)
		}
	}
}

// mapKey reads the key of a map: text, or a number.
func mapKey(fd protoreflect.FieldDescriptor, key string) (protoreflect.MapKey, bool) {
	if fd.MapKey().Kind() != protoreflect.Uint32Kind {
		return protoreflect.ValueOfString(key).MapKey(), true
	}
	n, err := strconv.ParseUint(key, 10, 32)
	return protoreflect.ValueOfUint32(uint32(n)).MapKey(), err == nil
}

// scalar reads the value of a field, or the one item of a list's.
func (d *decoder) scalar(n *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor, path string) (protoreflect.Value, bool) {
	if fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Duration" {
		return d.duration(n, path)
	}
	raw, ok := jsonScalar(n, fd)
	if ok && fd.IsList() {
		raw = "[" + raw + "]"
	}
	if ok {
		if v, fits := viaJSON(m, fd, raw); fits {
			return v, true
		}
	}
	d.doc.bad(n, path, "wants %s, not %s", wanted(fd), described(n, fd))
	return protoreflect.Value{}, false
}

func (d *decoder) scalarEntry(p pair, m protoreflect.Message, fd protoreflect.FieldDescriptor, path string) (protoreflect.Value, bool) {
	if raw, ok := jsonScalar(p.value, fd.MapValue()); ok {
		if v, fits := viaJSON(m, fd, "{"+quoteJSON(p.key)+":"+raw+"}"); fits {
			return v.Map().Get(protoreflect.ValueOfString(p.key).MapKey()), true
		}
	}
	d.doc.bad(p.valuePlace, path, "wants %s, not %s", wanted(fd.MapValue()), described(p.value, fd.MapValue()))
	return protoreflect.Value{}, false
}

// viaJSON reads one field with protojson.
func viaJSON(m protoreflect.Message, fd protoreflect.FieldDescriptor, raw string) (protoreflect.Value, bool) {
	one := m.New()
	text := "{" + quoteJSON(fd.JSONName()) + ":" + raw + "}"
	if protojson.Unmarshal([]byte(text), one.Interface()) != nil {
		return protoreflect.Value{}, false
	}
	return one.Get(fd), true
}

// duration reads a duration as Istio does: Go's notation, "1.5s" and "1h30m".
func (d *decoder) duration(n *yaml.Node, path string) (protoreflect.Value, bool) {
	t, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		d.doc.bad(n, path, `wants a duration such as "1.5s" or "1h30m", not %s`, describe(n))
		return protoreflect.Value{}, false
	}
	return protoreflect.ValueOfMessage(durationpb.New(t).ProtoReflect()), true
}

// jsonScalar writes a scalar as the JSON that protojson reads for a field. It
// reports false for what surely does not fit: then YAML took what was meant as text
// for a number, a truth value or nothing.
func jsonScalar(n *yaml.Node, fd protoreflect.FieldDescriptor) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		return "", false
	}
	tag := n.ShortTag()
	switch kindOf(fd) {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return quoteJSON(n.Value), tag == "!!str" || tag == "!!timestamp" || tag == "!!merge"
	case protoreflect.BoolKind: // YAML 1.1's yes and no too, as Kubernetes reads them
		var b bool
		err := n.Decode(&b)
		return strconv.FormatBool(b), err == nil
	case protoreflect.EnumKind:
		if tag == "!!str" {
			return quoteJSON(n.Value), true
		}
	}
	var v any
	if n.Decode(&v) != nil || v == nil {
		return "", false
	}
	raw, err := json.Marshal(v)
	return string(raw), err == nil && tag != "!!bool"
}

// kindOf is the kind of a field; of a wrapper (google.protobuf.BoolValue) that of its
// value.
func kindOf(fd protoreflect.FieldDescriptor) protoreflect.Kind {
	if md := fd.Message(); md != nil && isWellKnown(md) {
		return md.Fields().ByNumber(1).Kind()
	}
	return fd.Kind()
}

// wanted says in words what a field takes.
func wanted(fd protoreflect.FieldDescriptor) string {
	switch kindOf(fd) {
	case protoreflect.StringKind:
		return "text"
	case protoreflect.BytesKind:
		return "bytes in base64"
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.EnumKind:
		return "one of " + list(enumNames(fd.Enum()))
	case protoreflect.DoubleKind:
		return "a number"
	case protoreflect.Int32Kind:
		return "a whole number"
	default:
		return "a whole number that is not negative"
	}
}

// described is what n is, with the fix where it only lacks quotes.
func described(n *yaml.Node, fd protoreflect.FieldDescriptor) string {
	if n.Kind == yaml.ScalarNode && !isNull(n) && kindOf(fd) == protoreflect.StringKind {
		return n.Value + ": put it in quotes"
	}
	if n.Kind == yaml.ScalarNode && kindOf(fd) == protoreflect.EnumKind {
		return describe(n) + suggest(n.Value, enumNames(fd.Enum()))
	}
	return describe(n)
}

func quoteJSON(s string) string {
	raw, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return `""`
	}
	return string(raw)
}

func fieldNames(fields protoreflect.FieldDescriptors) []string {
	names := make([]string, fields.Len())
	for i := range names {
		names[i] = fields.Get(i).JSONName()
	}
	return names
}

func enumNames(ed protoreflect.EnumDescriptor) []string {
	var names []string
	for i := range ed.Values().Len() {
		if name := string(ed.Values().Get(i).Name()); name != "UNSPECIFIED" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// enumName is the name of an enum's value, which may be written as a number.
func enumName(fd protoreflect.FieldDescriptor, value string) string {
	if fd.Enum() == nil {
		return ""
	}
	if n, err := strconv.ParseInt(value, 0, 32); err == nil {
		if v := fd.Enum().Values().ByNumber(protoreflect.EnumNumber(n)); v != nil {
			return string(v.Name())
		}
	}
	return value
}

// fieldKey is the key of a field in the tables of verdicts: "HTTPRoute.timeout",
// "HTTPFaultInjection.Delay.percent".
func fieldKey(fd protoreflect.FieldDescriptor) string {
	name := string(fd.ContainingMessage().Name())
	for up, ok := fd.ContainingMessage().Parent().(protoreflect.MessageDescriptor); ok; up, ok = up.Parent().(protoreflect.MessageDescriptor) {
		name = string(up.Name()) + "." + name
	}
	return name + "." + fd.JSONName()
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/base64"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
)

// record fills a struct of an own kind from a mapping, as strictly as message does those of
// Istio's. A field's name is that of Go's with its first letter small, or its tag "key";
// the tag "oneof" lists the values that a text may have. Structs that are embedded have
// their fields among the others.
func (d *decoder) record(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.doc.bad(n, path, "wants a mapping, not %s", describe(n))
		return
	}
	fields, names := recordFields(v.Type())
	for _, p := range d.pairs(n, path, depth) {
		f, ok := fields[p.key]
		if !ok {
			d.doc.bad(p.keyNode, join(path, p.key), "no such field in %s%s", d.holder(path), suggest(p.key, names))
			continue
		}
		at := path + "." + p.key
		d.doc.mark(at, p.keyNode)
		if isNull(p.value) {
			d.doc.bad(p.keyNode, at, "has no value: give it one, or remove it")
			continue
		}
		d.own(p.value, v.FieldByIndex(f.Index), f, at, depth+1)
	}
}

// holder names what has a path: the kind, or the field.
func (d *decoder) holder(path string) string {
	if path == "spec" {
		return d.doc.kind
	}
	name := path[strings.LastIndexByte(path, '.')+1:]
	name, _, _ = strings.Cut(name, "[")
	return name
}

// recordFields is the fields of a struct by name, and the names in their order.
func recordFields(t reflect.Type) (map[string]reflect.StructField, []string) {
	fields, names := map[string]reflect.StructField{}, []string(nil)
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous || !f.IsExported() {
			continue
		}
		name := fieldName(f)
		fields[name] = f
		names = append(names, name)
	}
	return fields, names
}

func fieldName(f reflect.StructField) string {
	if key := f.Tag.Get("key"); key != "" {
		return key
	}
	return strings.ToLower(f.Name[:1]) + f.Name[1:]
}

// own fills one field.
func (d *decoder) own(n *yaml.Node, v reflect.Value, f reflect.StructField, path string, depth int) {
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.held(n, v, path, depth)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		d.list(n, v, f, path, depth)
	case v.Kind() == reflect.Map:
		d.doc.note(path, Enforced, "")
		d.labels(n, v, f, path, depth)
	default:
		r := ownFields[d.doc.kind+strings.TrimPrefix(unindexed(path), "spec")]
		d.doc.note(path, r.verdict, r.message)
		d.leaf(n, v, f, path)
	}
}

// held fills what a pointer leads to: a message of Istio's, or a struct.
func (d *decoder) held(n *yaml.Node, v reflect.Value, path string, depth int) {
	if m, ok := v.Interface().(proto.Message); ok {
		d.message(n, m.ProtoReflect(), path, depth)
		return
	}
	d.record(n, v.Elem(), path, depth)
}

// list fills a list of pointers or of texts.
func (d *decoder) list(n *yaml.Node, v reflect.Value, f reflect.StructField, path string, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.doc.bad(n, path, "wants a list, not %s", describe(n))
		return
	}
	if d.deep(n, path, depth) {
		return
	}
	if v.Type().Elem().Kind() != reflect.Pointer {
		d.doc.note(path, Enforced, "")
	}
	for i, item := range n.Content {
		at := index(path, i)
		if !d.spend(item, at) {
			return
		}
		d.doc.mark(at, item)
		one := reflect.New(v.Type().Elem()).Elem()
		if value := resolve(item); one.Kind() == reflect.Pointer {
			one.Set(reflect.New(one.Type().Elem()))
			d.held(value, one, at, depth+1)
		} else {
			d.leaf(value, one, f, at)
		}
		v.Set(reflect.Append(v, one))
	}
}

// labels fills a map of texts.
func (d *decoder) labels(n *yaml.Node, v reflect.Value, f reflect.StructField, path string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.doc.bad(n, path, "wants a mapping, not %s", describe(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, p := range d.pairs(n, path, depth) {
		at := entry(path, p.key)
		d.doc.mark(at, p.keyNode)
		one := reflect.New(v.Type().Elem()).Elem()
		d.leaf(p.value, one, f, at)
		v.SetMapIndex(reflect.ValueOf(p.key), one)
	}
}

// leaf fills a scalar.
func (d *decoder) leaf(n *yaml.Node, v reflect.Value, f reflect.StructField, path string) {
	want, ok := scalarInto(n, v)
	if !ok {
		got := describe(n)
		if v.Kind() == reflect.String && n.Kind == yaml.ScalarNode && !isNull(n) {
			got = n.Value + ": put it in quotes"
		}
		d.doc.bad(n, path, "wants %s, not %s", want, got)
		return
	}
	if words := strings.Fields(f.Tag.Get("oneof")); len(words) > 0 && !contains(words, v.String()) {
		d.doc.bad(n, path, "wants one of %s, not %s%s", list(words), describe(n), suggestNear(n.Value, words))
	}
}

func contains(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}

// suggestNear is suggest where the names have been listed already.
func suggestNear(word string, names []string) string {
	if s := suggest(word, names); strings.HasPrefix(s, ": did") {
		return s
	}
	return ""
}

var durationType = reflect.TypeFor[time.Duration]()

// scalarInto sets v, or says what it wants.
func scalarInto(n *yaml.Node, v reflect.Value) (want string, ok bool) {
	tag := n.ShortTag()
	scalar := n.Kind == yaml.ScalarNode && tag != "!!null"
	switch {
	case v.Type() == durationType:
		t, err := time.ParseDuration(n.Value)
		v.SetInt(int64(t))
		return `a duration such as "1.5s" or "1h30m"`, scalar && err == nil
	case v.Kind() == reflect.String:
		v.SetString(n.Value)
		return "text", scalar && (tag == "!!str" || tag == "!!timestamp" || tag == "!!merge")
	case v.Kind() == reflect.Bool:
		var b bool // YAML 1.1's yes and no too, as Kubernetes reads them
		err := n.Decode(&b)
		v.SetBool(b)
		return "true or false", scalar && err == nil
	case v.Kind() == reflect.Slice:
		raw, err := base64.StdEncoding.DecodeString(n.Value)
		v.SetBytes(raw)
		return "bytes in base64", scalar && err == nil && (tag == "!!str" || tag == "!!int")
	case v.Kind() == reflect.Float64:
		var x float64
		err := n.Decode(&x)
		v.SetFloat(x)
		return "a number", scalar && err == nil && (tag == "!!float" || tag == "!!int")
	default:
		var i int64
		err := n.Decode(&i)
		v.SetInt(i)
		return "a whole number", scalar && err == nil && tag == "!!int"
	}
}

// unindexed is a path without the numbers of items.
func unindexed(path string) string {
	var b strings.Builder
	for rest := path; ; {
		before, after, found := strings.Cut(rest, "[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, rest, _ = strings.Cut(after, "]")
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	networking "istio.io/api/networking/v1alpha3"
)

// fieldsOf is the keys of every field that can be reached from a message, and of
// every value of their enums.
func fieldsOf(md protoreflect.MessageDescriptor, fields, values map[string]bool) {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		key := fieldKey(fd)
		if fields[key] {
			continue
		}
		fields[key] = true
		for e, j := fd.Enum(), 0; e != nil && j < e.Values().Len(); j++ {
			values[key+"="+string(e.Values().Get(j).Name())] = true
		}
		if sub := fd.Message(); fd.IsMap() && fd.MapValue().Message() != nil {
			fieldsOf(fd.MapValue().Message(), fields, values)
		} else if sub != nil && !fd.IsMap() && !isWellKnown(sub) {
			fieldsOf(sub, fields, values)
		}
	}
}

// Every field that Istio's messages have has a verdict, and every verdict a field.
func TestVerdicts_coverIstiosMessages(t *testing.T) {
	fields, values := map[string]bool{}, map[string]bool{}
	fieldsOf((&networking.VirtualService{}).ProtoReflect().Descriptor(), fields, values)
	fieldsOf((&networking.DestinationRule{}).ProtoReflect().Descriptor(), fields, values)
	fieldsOf((&networking.ServiceEntry{}).ProtoReflect().Descriptor(), fields, values)
	for _, empty := range istioGroups[securityGroup].kinds {
		fieldsOf(empty().ProtoReflect().Descriptor(), fields, values)
	}
	if len(fields) < 150 {
		t.Fatalf("got %d fields, want the whole tree", len(fields))
	}
	for key := range fields {
		if _, ok := rowOf(key, ""); !ok {
			t.Errorf("%s has no row", key)
		}
	}
	rows := map[string]row{}
	for _, table := range istioFields {
		for key, r := range table {
			if _, twice := rows[key]; twice {
				t.Errorf("%s has two rows", key)
			}
			rows[key] = r
		}
	}
	for key, r := range rows {
		if !fields[key] {
			t.Errorf("row %s is no field", key)
		}
		if r.verdict != Enforced && r.message == "" {
			t.Errorf("row %s is %v and does not say why", key, r.verdict)
		}
		for value := range r.values {
			if !values[key+"="+value] {
				t.Errorf("row %s: %s is no value", key, value)
			}
		}
	}
	t.Logf("%d fields", len(fields))
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"reflect"
	"testing"
)

// leavesOf are the paths of a spec's fields, "Kind.rules.status".
func leavesOf(t reflect.Type, path string, found map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Pointer {
		t = t.Elem()
	}
	found[path] = true
	if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[Own]().PkgPath() {
		return // a scalar, or a message of Istio's
	}
	fields, _ := recordFields(t)
	for name, f := range fields {
		leavesOf(f.Type, path+"."+name, found)
	}
}

// Every row of the own kinds is about a field that there is, and every kind can be in
// shadow.
func TestOwnFields_areFields(t *testing.T) {
	found := map[string]bool{}
	for kind, empty := range ownKinds {
		leavesOf(reflect.TypeOf(empty()), kind, found)
		if !found[kind+".shadow"] {
			t.Errorf("%s has no shadow", kind)
		}
	}
	for path, r := range ownFields {
		if !found[path] || r.message == "" {
			t.Errorf("row %s is no field, or says nothing", path)
		}
	}
	t.Logf("%d fields", len(found))
}

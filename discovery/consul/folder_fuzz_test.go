// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"bytes"
	"maps"
	"strings"
	"testing"
)

// FuzzDocuments reads the body of a query for keys. Whatever comes, only documents are
// told, none that was not listed, and reading it again gives the same.
func FuzzDocuments(f *testing.F) {
	const good = `{"LockIndex":0,"Key":"mesh/a.yaml","Flags":0,"Value":"b25l","CreateIndex":12,"ModifyIndex":13}`
	for _, body := range []string{"", "null", "[]", "[" + good + "]", "[" + good + "," + good + "]", `[{"Key":"a.yaml","Value":null}]`,
		`[{"Key":"a.yaml","Value":"?"}]`, `[{"Key":7}]`, `[{"Key":"mesh/"},` + good, "<html>"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		one, err := readDocuments(bytes.NewReader(body))
		two, again := readDocuments(bytes.NewReader(body))
		if (err == nil) != (again == nil) || !maps.EqualFunc(one.files, two.files, bytes.Equal) {
			t.Fatalf("two readings differ: %v, %v; %v, %v", one.files, err, two.files, again)
		}
		if err != nil && reasonOf(classify(err)) == "" {
			t.Errorf("%v has no reason", err)
		}
		if len(one.files) > one.listed {
			t.Errorf("%d documents of %d keys", len(one.files), one.listed)
		}
		for name := range one.files {
			if !strings.HasPrefix(name, "consul:") || !strings.Contains(name, ".") {
				t.Errorf("%q is told as a document", name)
			}
		}
	})
}

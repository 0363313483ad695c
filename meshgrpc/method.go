// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"maps"
	"strings"
	"sync/atomic"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// maxMethods bounds the cache of methods; a proxy that forwards any path must not
// grow it for ever.
const maxMethods = 4096

// methods remembers which methods may be repeated, by their descriptors. The map is
// replaced, never written.
type methods struct {
	known atomic.Pointer[map[string]bool]
}

// idempotent reports whether the descriptor of "/package.Service/Method", when it
// is linked into the program, has an idempotency_level of NO_SIDE_EFFECTS or
// IDEMPOTENT.
func (m *methods) idempotent(path string) bool {
	if known := m.known.Load(); known != nil {
		if is, ok := (*known)[path]; ok {
			return is
		}
	}
	is := describedIdempotent(path)
	m.remember(path, is)
	return is
}

func (m *methods) remember(path string, is bool) {
	for {
		old := m.known.Load()
		next := map[string]bool{}
		if old != nil {
			if len(*old) >= maxMethods {
				return
			}
			maps.Copy(next, *old)
		}
		next[strings.Clone(path)] = is
		if m.known.CompareAndSwap(old, &next) {
			return
		}
	}
}

func describedIdempotent(path string) bool {
	service, method, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok {
		return false
	}
	name := protoreflect.FullName(service + "." + method)
	if !name.IsValid() {
		return false
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return false
	}
	o, ok := d.Options().(*descriptorpb.MethodOptions)
	return ok && o.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
}

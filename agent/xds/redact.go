// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"slices"
	"strings"

	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherpb "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
)

// hidden stands for a secret.
const hidden = "[redacted]"

// Redact is a resource without what is not for others: what Envoy's API marks as sensitive, and
// what the matchers of headers that carry credentials compare with. Nothing that the agent sends
// has a key in it; a document may well have a token. A resource without any of that is given
// back as it is; of one that cannot be read only the type is.
func Redact(body *anypb.Any) *anypb.Any {
	if body == nil {
		return nil
	}
	out := &anypb.Any{TypeUrl: body.GetTypeUrl(), Value: body.GetValue()}
	if !redactAny(out) {
		return body
	}
	return out
}

// redact reports whether there was something to take out.
func redact(m protoreflect.Message) (changed bool) {
	switch one := m.Interface().(type) {
	case *anypb.Any:
		return redactAny(one)
	case *routepb.HeaderMatcher:
		if carriesSecret(one.GetName()) && !isPresence(one) {
			changed = true
			one.HeaderMatchSpecifier = &routepb.HeaderMatcher_StringMatch{StringMatch: &matcherpb.StringMatcher{
				MatchPattern: &matcherpb.StringMatcher_Exact{Exact: hidden},
			}}
		}
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case sensitive(f):
			m.Clear(f)
			changed = true
		case f.IsMap():
			if f.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					changed = redact(v.Message()) || changed
					return true
				})
			}
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				changed = redact(v.List().Get(i).Message()) || changed
			}
		default:
			changed = redact(v.Message()) || changed
		}
		return true
	})
	return changed
}

// redactAny looks into what is packed; what cannot be read is taken out.
func redactAny(a *anypb.Any) (changed bool) {
	m, err := a.UnmarshalNew()
	if err != nil {
		a.Value = nil
		return true
	}
	if !redact(m.ProtoReflect()) {
		return false
	}
	if a.Value, err = proto.Marshal(m); err != nil {
		a.Value = nil
	}
	return true
}

func isPresence(h *routepb.HeaderMatcher) bool {
	_, ok := h.GetHeaderMatchSpecifier().(*routepb.HeaderMatcher_PresentMatch)
	return ok
}

// sensitive reports whether Envoy's API says so of a field.
func sensitive(f protoreflect.FieldDescriptor) bool {
	mark, err := protoregistry.GlobalTypes.FindExtensionByName("udpa.annotations.sensitive")
	if err != nil {
		return false // then no message here has such a field
	}
	is, _ := proto.GetExtension(f.Options(), mark).(bool)
	return is
}

// carriesSecret reports whether a header's value is not for others.
func carriesSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"authorization", "cookie", "token", "secret", "password", "api-key", "apikey"},
		func(word string) bool { return strings.Contains(name, word) })
}

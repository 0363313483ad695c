// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherpb "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
)

// clientDump is what one client was told.
type clientDump struct {
	ID        string         `json:"id"`
	Client    string         `json:"client"`
	Version   string         `json:"version"`
	Resources []resourceDump `json:"resources"`
}

type resourceDump struct {
	Kind    string          `json:"kind"`
	Name    string          `json:"name"`
	State   string          `json:"state"`
	Version string          `json:"version,omitempty"` // of Body
	Body    json.RawMessage `json:"body,omitempty"`    // that the client has
	Error   string          `json:"error,omitempty"`
}

// serveConfig tells what each client has.
func (a *Agent) serveConfig(w http.ResponseWriter, r *http.Request) {
	node, chosen := r.URL.Query().Get("node"), r.URL.Query().Has("node")
	out := []clientDump{}
	for _, c := range a.server.Clients() {
		if chosen && c.Node.ID != node {
			continue
		}
		one := clientDump{ID: c.Node.ID, Client: c.Node.Client, Version: c.Node.Version, Resources: []resourceDump{}}
		for i := range c.Resources {
			s := &c.Resources[i]
			d := resourceDump{Kind: s.Kind.String(), Name: s.Name, State: s.State.String(), Version: s.Version, Error: s.Error}
			if s.Body != nil {
				d.Body = bodyOf(s.Body)
			}
			one.Resources = append(one.Resources, d)
		}
		out = append(out, one)
	}
	if chosen && len(out) == 0 {
		answer(w, http.StatusNotFound, "no client has that node id")
		return
	}
	writeJSON(w, map[string][]clientDump{"clients": out})
}

// bodyOf is a resource as JSON, without secrets.
func bodyOf(body *anypb.Any) json.RawMessage {
	m, err := body.UnmarshalNew()
	if err == nil {
		redact(m.ProtoReflect())
		var text []byte
		if text, err = protojson.Marshal(m); err == nil {
			return text
		}
	}
	text, err := json.Marshal("unreadable: " + err.Error())
	if err != nil {
		return nil
	}
	return text
}

// hidden stands for a secret.
const hidden = "[redacted]"

// redact takes out of a message what Envoy's API marks as sensitive, and what the matchers
// of headers that carry credentials compare with. Nothing that the agent sends has a key
// in it; a document may well have a token.
func redact(m protoreflect.Message) {
	switch one := m.Interface().(type) {
	case *anypb.Any:
		redactAny(one)
		return
	case *routepb.HeaderMatcher:
		if carriesSecret(one.GetName()) && !isPresence(one) {
			one.HeaderMatchSpecifier = &routepb.HeaderMatcher_StringMatch{StringMatch: &matcherpb.StringMatcher{
				MatchPattern: &matcherpb.StringMatcher_Exact{Exact: hidden},
			}}
		}
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if sensitive(f) {
			m.Clear(f)
			return true
		}
		if f.Message() == nil {
			return true
		}
		switch {
		case f.IsMap():
			if f.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { redact(v.Message()); return true })
			}
		case f.IsList():
			for i := range v.List().Len() {
				redact(v.List().Get(i).Message())
			}
		default:
			redact(v.Message())
		}
		return true
	})
}

// redactAny looks into what is packed; what cannot be read is taken out.
func redactAny(a *anypb.Any) {
	m, err := a.UnmarshalNew()
	if err != nil {
		a.Value = nil
		return
	}
	redact(m.ProtoReflect())
	packed, err := proto.Marshal(m)
	if err != nil {
		packed = nil
	}
	a.Value = packed
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

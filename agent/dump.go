// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"net/http"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/enmesh-go/enmesh/agent/xds"
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
	m, err := xds.Redact(body).UnmarshalNew()
	if err == nil {
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

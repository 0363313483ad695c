// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import "github.com/enmesh-go/enmesh"

// static is a Static as calls need it: built once.
type static struct {
	http    *enmesh.Reply // nil: none
	message *enmesh.Reply // of unary gRPC calls; nil: none
}

func (s Static) made() (made static) {
	if s.Status != 0 {
		r := &enmesh.Reply{Status: s.Status, Header: map[string][]string{}}
		if s.Body != "" {
			r.Body = []byte(s.Body)
			r.Header["Content-Type"] = []string{"text/plain; charset=utf-8"}
		}
		if s.ContentType != "" {
			r.Header["Content-Type"] = []string{s.ContentType}
		}
		made.http = marked(r, "static")
	}
	if s.HasMessage {
		made.message = marked(&enmesh.Reply{
			Status: 200, Header: map[string][]string{"Content-Type": {enmesh.MessageType}}, Body: []byte(s.Message),
		}, "static")
	}
	return made
}

// of is the answer for c, or nil.
func (s static) of(c *enmesh.Call) *enmesh.Reply {
	switch {
	case c.Protocol == enmesh.HTTP:
		return s.http
	case c.Kind == enmesh.Unary:
		return s.message
	}
	return nil
}

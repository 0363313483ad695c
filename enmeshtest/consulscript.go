// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// consulScript is replies for a path, one after the other or one for ever.
type consulScript struct {
	path    string // all below it when it ends in a slash
	replies []ConsulReply
	always  bool
}

func (s *consulScript) matches(path string) bool {
	return s.path == path || strings.HasSuffix(s.path, "/") && strings.HasPrefix(path, s.path)
}

// Script has the next requests for a path answered by these replies, one each; after them
// come older scripts that match, and then honest answers. A path that ends in a slash
// stands for all below it. Queries that wait take a reply at once, unless it blocks.
//
// A request that would change something changes nothing when its reply has a status of 400
// and above or hangs before the body; with any other reply the change is made.
func (c *Consul) Script(path string, replies ...ConsulReply) {
	c.script(&consulScript{path: path, replies: slices.Clone(replies)})
}

// Always has all requests for a path answered by this reply, until [Consul.Honest].
func (c *Consul) Always(path string, reply ConsulReply) {
	c.script(&consulScript{path: path, replies: []ConsulReply{reply}, always: true})
}

func (c *Consul) script(s *consulScript) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scripts = append(c.scripts, s)
	c.wake()
}

// Honest ends all scripts.
func (c *Consul) Honest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scripts = nil
	c.wake()
}

// Scripted is how many replies of scripts for this very path are still to be given;
// an endless one counts as one.
func (c *Consul) Scripted(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, s := range c.scripts {
		if s.path == path {
			n += len(s.replies)
		}
	}
	return n
}

// find is the newest script for a path that has a reply left. c.mu is held.
func (c *Consul) find(path string) *consulScript {
	for _, s := range slices.Backward(c.scripts) {
		if len(s.replies) > 0 && s.matches(path) {
			return s
		}
	}
	return nil
}

// peek is the reply that take would return. c.mu is held.
func (c *Consul) peek(path string) *ConsulReply {
	if s := c.find(path); s != nil {
		return &s.replies[0]
	}
	return nil
}

// take is the next reply for a path, or nil for an honest answer. c.mu is held.
func (c *Consul) take(path string) *ConsulReply {
	s := c.find(path)
	if s == nil {
		return nil
	}
	reply := s.replies[0]
	if !s.always {
		s.replies = s.replies[1:]
	}
	return &reply
}

// ConsulRequest is one request that a [Consul] was sent.
type ConsulRequest struct {
	Time   time.Time // when it came
	Method string
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte // its first MiB
}

// Requests are those for a path, in the order they came; a path that ends in a slash
// stands for all below it.
func (c *Consul) Requests(path string) []ConsulRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := consulScript{path: path}
	var found []ConsulRequest
	for _, r := range c.requests {
		if s.matches(r.Path) {
			found = append(found, r)
		}
	}
	return found
}

// note records a request.
func (c *Consul) note(r *http.Request, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, ConsulRequest{
		Time: time.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header.Clone(),
		Body: body,
	})
}

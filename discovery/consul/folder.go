// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Folder is the documents under a prefix of Consul's KV store: the keys that end in .yaml,
// .yml or .json, at any depth. It is a policy.Source, and safe for concurrent use.
type Folder struct {
	reg    *Registry
	prefix string // ends in a slash
	dc     string

	mu     sync.Mutex // guards status
	status FolderStatus
}

// FolderStatus says how the last watch of a folder fares.
type FolderStatus struct {
	Prefix, Datacenter string
	Documents          int       // in the last good answer
	Index              uint64    // of the last answer
	Confirmed          time.Time // when the last good answer came; zero: none yet
	Err                error     // why it fails, or nil
	Answers            uint64    // of Consul, good or not
	Changes            uint64    // those that brought other documents
}

// Folder is the folder of that name in the first of Config.Datacenters, else in the agent's
// own. A slash at the end may be missing: "policy" does not hold what is in
// "policy-drafts/". The name of all keys, "" or "/", is refused.
func (r *Registry) Folder(prefix string) (*Folder, error) {
	prefix = strings.Trim(prefix, "/")
	if prefix == "" || strings.ContainsFunc(prefix, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return nil, fmt.Errorf("consul: %q cannot be the name of a folder of keys", prefix)
	}
	f := &Folder{reg: r, prefix: prefix + "/", dc: r.datacenters()[0]}
	f.status.Prefix, f.status.Datacenter = f.prefix, f.dc
	return f, nil
}

// Status is how the folder fares.
func (f *Folder) Status() FolderStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// Watch tells all documents of the folder, by "consul:" and their key, and again whenever
// one has changed, until ctx ends; then it returns nil. Errors are told once, those of one
// reason at most once in 10 s; what was told before them holds, and is told again when they
// are over.
//
// A folder without any key is an error ([Missing]) and not one without documents: Consul
// does not tell a folder that was emptied from one that was lost with the server's data,
// from one that the token may not see, or from one whose name is misspelled. To have no
// documents, keep a key there: the folder's own, which Consul's page makes, is one.
//
// All documents together may have as many bytes as Config.MaxBody allows an answer, in
// which they are a third longer.
func (f *Folder) Watch(ctx context.Context, tell func(files map[string][]byte, err error)) error {
	l := folderLoop{
		Folder: f, tell: tell, pace: newPacer(f.reg.cfg.Pace),
		trouble: trouble{prober: f.reg.prober, backoff: backoff{cfg: f.reg.cfg.Backoff}},
	}
	l.run(ctx)
	return nil
}

// note notes an answer or a failure.
func (f *Folder) note(update func(s *FolderStatus)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	update(&f.status)
}

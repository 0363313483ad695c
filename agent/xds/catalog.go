// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import "google.golang.org/protobuf/types/known/anypb"

// Resource is one thing that a client can be told. It is immutable, its Body too:
// one Resource is sent to many clients at once.
type Resource struct {
	Kind    Kind
	Name    string
	Version string     // a hash of the content: equal contents have equal versions, in every process
	Body    *anypb.Any // nil: there is none
	held    *held      // see Shared
}

// Shared is r for many sessions: what each of them keeps of it is made here, once. A Resource
// without is as good, and takes more memory.
func (r Resource) Shared() Resource {
	if r.Body != nil && r.Version != "" {
		r.held = &held{r.Version, r.Body}
	}
	return r
}

// Catalog knows what each client is to be told.
//
// Ready comes first: until its channel is closed nothing is asked of the catalog
// and no client hears anything, so that a client is never told that all is gone
// by an agent that has not yet looked.
type Catalog interface {
	// Watch tells w of the resource now, before it returns, if it is known, and
	// whenever it changes, until Unwatch. A Resource without a Body says that there is
	// none and never will be as long as nothing changes; saying nothing means that
	// it is not known yet. w does not block, may be told from any goroutine, and
	// is told in the order of the changes.
	//
	// The name "*" asks for all listeners or clusters that the node may see: w is
	// then told of each by its own name, and a Resource without a Body says that the
	// one of that name is gone. Clients of gRPC never ask so; a catalog without an
	// answer tells w nothing.
	//
	// Resources that are equal for many nodes are built and marshalled once and
	// shared.
	Watch(n *Node, k Kind, name string, w Watcher)
	// Unwatch ends a Watch, which had the same arguments. w is told nothing any more
	// when it returns.
	Unwatch(n *Node, k Kind, name string, w Watcher)
	// Ready is closed when the first sync of all sources is complete: before it
	// nothing is answered.
	Ready() <-chan struct{}
}

// Watcher hears of a resource. It is comparable: a pointer, as a rule.
type Watcher interface {
	Hear(r Resource)
}

// All is the name that subscribes to every listener, or every cluster.
const All = "*"

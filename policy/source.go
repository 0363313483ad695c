// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Source gives policy documents that are not in files: keys of a registry, say. What it
// gives is loaded as one set with the files and with what other sources give.
//
// A Source is watched by one Watch at a time for each Loader that has it; several may
// watch it at once. Its types are the language's own, so that a source need not import
// this package.
type Source interface {
	// Watch tells all the documents it has, again whenever they have changed, until ctx
	// ends; then it returns nil. Names are for messages and for the order: by name, after
	// the files and the sources before it. What was told is not written again.
	//
	// An error is news, not the end: what was told before holds, and the source goes on.
	// Where it cannot go on at all Watch returns why; then it is not watched again.
	Watch(ctx context.Context, tell func(files map[string][]byte, err error)) error
}

// maxSourceBytes bounds what one source may give.
const maxSourceBytes = 16 << 20

// sourced is what the sources of a watch have told.
type sourced struct {
	wait  sync.WaitGroup
	news  chan struct{} // has room for one
	mu    sync.Mutex    // guards parts
	parts []sourcePart
}

// sourcePart is what one source has told.
type sourcePart struct {
	files []File
	known bool  // files were told
	err   error // since then
}

// startSources watches sources until ctx ends.
func startSources(ctx context.Context, sources []Source) *sourced {
	s := &sourced{news: make(chan struct{}, 1), parts: make([]sourcePart, len(sources))}
	for i, source := range sources {
		s.wait.Go(func() {
			err := source.Watch(ctx, func(files map[string][]byte, err error) { s.take(i, files, err) })
			if err != nil && ctx.Err() == nil {
				s.take(i, nil, err)
			}
		})
	}
	return s
}

// take notes what source i says.
func (s *sourced) take(i int, files map[string][]byte, err error) {
	if err == nil {
		err = boundSource(files)
	}
	s.mu.Lock()
	if p := &s.parts[i]; err != nil {
		p.err = err
	} else {
		*p = sourcePart{files: filesIn(files), known: true}
	}
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default: // it is known already that there is some
	}
}

func boundSource(files map[string][]byte) error {
	sum := 0
	for name, data := range files {
		sum += len(name) + len(data)
	}
	if sum > maxSourceBytes || len(files) > maxFiles {
		return fmt.Errorf("policy: a source has %d documents of %d bytes, more than %d or %d", len(files), sum, maxFiles, maxSourceBytes)
	}
	return nil
}

func filesIn(named map[string][]byte) []File {
	files := make([]File, 0, len(named))
	for _, name := range slices.Sorted(maps.Keys(named)) {
		files = append(files, File{name, named[name]})
	}
	return files
}

// read is what all sources have told, in their order; complete: each has told something.
// The error is that of those that fail now.
func (s *sourced) read() (files []File, complete bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	complete = true
	for i := range s.parts {
		files = append(files, s.parts[i].files...)
		complete = complete && s.parts[i].known
		err = errors.Join(err, s.parts[i].err)
	}
	return files, complete, err
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// follow listens to the directories in which a change can change the files: those
// that hold a path, are one, or hold what a symbolic link on the way leads to.
func (w *watch) follow() {
	if w.events == nil {
		return
	}
	w.names, w.whole = map[string]bool{}, map[string]bool{}
	for _, path := range w.paths {
		w.trace(path)
		names, _ := expand([]string{path}) // what is missing shows in its directory
		for _, name := range names {
			w.trace(name)
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			w.whole[filepath.Clean(path)] = true
		}
	}
	w.listen()
}

// listen makes the watched directories those of w.names and w.whole.
func (w *watch) listen() {
	wanted := maps.Clone(w.whole)
	for name := range w.names {
		wanted[filepath.Dir(name)] = true
	}
	for dir := range w.dirs {
		if !wanted[dir] {
			_ = w.events.Remove(dir) // gone already, perhaps
			delete(w.dirs, dir)
		}
	}
	for dir := range wanted {
		// Again also when it is there: a directory of that name may be another now. What
		// cannot be followed is polled.
		if w.events.Add(dir) == nil {
			w.dirs[dir] = true
		}
	}
}

// counts reports whether an event on a name can mean a change of policy. Others
// come from busy directories that hold a policy file too.
func (w *watch) counts(name string) bool {
	name = filepath.Clean(name)
	base := filepath.Base(name)
	return w.names[name] || w.whole[filepath.Dir(name)] && (isPolicyFile(base) || strings.HasPrefix(base, ".."))
}

// maxLinks bounds a chain of symbolic links, as the kernel does.
const maxLinks = 40

// trace notes path and every symbolic link on its way, as far as the last elements
// are: a link further up is polled.
func (w *watch) trace(path string) {
	path = filepath.Clean(path)
	for range maxLinks {
		w.names[path] = true
		target, err := os.Readlink(path)
		if err != nil {
			return
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		// What the link leads through may be a link too (Kubernetes: ..data).
		if dir := filepath.Dir(target); dir != filepath.Dir(path) {
			w.names[dir] = true
		}
		path = target
	}
}

// stampOf tells whether files may have changed, without reading them.
func stampOf(paths []string) string {
	names, err := expand(paths)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintf(&b, "%q %v\n", name, err)
			continue
		}
		target, _ := filepath.EvalSymlinks(name)
		fmt.Fprintf(&b, "%q %q %d %d\n", name, target, info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}

// anyEmpty reports whether a file holds nothing.
func anyEmpty(paths []string) bool {
	names, _ := expand(paths)
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Size() == 0 {
			return true
		}
	}
	return false
}

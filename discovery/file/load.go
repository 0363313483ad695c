// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh/discovery"
)

// maxFile bounds one file, in bytes.
const maxFile = 4 << 20

// content is what one reading found, not yet looked into.
type content struct {
	files []rawFile // by name
	sum   [sha256.Size]byte
}

type rawFile struct {
	path string
	data []byte
}

// readAll reads the file, or the directory's files that end in .yaml, .yml or
// .json and do not begin with a dot. A directory without such a file is an error:
// it is more likely unmounted or half written than meant.
func readAll(path string) (content, error) {
	paths, err := list(path)
	if err != nil {
		return content{}, err
	}
	var c content
	sum := sha256.New()
	for _, p := range paths {
		data, err := readFile(p)
		if err != nil {
			return content{}, err
		}
		c.files = append(c.files, rawFile{p, data})
		feed(sum, []byte(p))
		feed(sum, data)
	}
	sum.Sum(c.sum[:0])
	return c, nil
}

// feed writes data and its length, so that no two contents run together.
func feed(h hash.Hash, data []byte) {
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(data))))
	_, _ = h.Write(data)
}

// list names the files to read.
func list(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	var paths []string
	for _, e := range entries {
		known := slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name()))
		if known && !strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
			paths = append(paths, filepath.Join(path, e.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("file: %s has no file that ends in .yaml, .yml or .json", path)
	}
	return paths, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("file: %w", err)
	case len(data) > maxFile:
		return nil, &Error{File: path, Problem: fmt.Sprintf("it is over %d bytes; use several files in a directory", maxFile)}
	}
	return data, nil
}

// parse makes one map of all files. No service may stand in two of them.
func (c content) parse() (map[string][]discovery.Endpoint, error) {
	all := make(map[string][]discovery.Endpoint)
	from := make(map[string]string)
	for _, f := range c.files {
		services, err := Parse(f.path, f.data)
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(services)) {
			if first, twice := from[name]; twice {
				return nil, &Error{File: f.path, Field: "services." + name, Problem: "it stands in " + first + " already; keep one"}
			}
			from[name] = f.path
		}
		maps.Copy(all, services)
	}
	return all, nil
}

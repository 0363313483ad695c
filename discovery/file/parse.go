// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/enmesh-go/enmesh/discovery"
)

// Parse reads one document, as the package comment describes it: JSON when name
// ends in .json, else YAML. It is strict: unknown, repeated and ill-typed fields,
// aliases and a second document are refused. The error joins up to 10 of *[Error].
func Parse(name string, data []byte) (map[string][]discovery.Endpoint, error) {
	root, err := parseNode(name, data)
	if err != nil {
		return nil, err
	}
	w := &walker{file: name}
	services := w.document(root)
	if err := join(w.errs); err != nil {
		return nil, err
	}
	return services, nil
}

// parseNode reads the document's syntax.
func parseNode(name string, data []byte) (*yaml.Node, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, empty(name)
	}
	if filepath.Ext(name) == ".json" {
		n, err := parseJSON(name, data)
		if err != nil {
			return nil, err
		}
		return n, nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, empty(name)
		}
		return nil, syntaxError(name, err)
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		return nil, &Error{File: name, Line: more.Line, Column: more.Column, Problem: "a second document begins; a file holds one"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(name, err)
	case len(doc.Content) != 1:
		return nil, empty(name)
	}
	return doc.Content[0], nil
}

// empty is refused rather than read as "no services": a file that is just being
// written looks like that.
func empty(name string) error {
	return &Error{File: name, Problem: "it is empty; write \"services: {}\" to say that there are none"}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxError puts a YAML error in our form.
func syntaxError(name string, err error) error {
	text := err.Error()
	e := &Error{File: name, Problem: yamlLine.ReplaceAllString(text, "")}
	if m := yamlLine.FindStringSubmatch(text); len(m) > 1 && m[1] != "" {
		e.Line, _ = strconv.Atoi(m[1]) // the pattern holds digits only
		e.Column = 1
	}
	return e
}

// walker reads nodes into endpoints and collects what is wrong.
type walker struct {
	file string
	errs []*Error
}

func (w *walker) fail(n *yaml.Node, field, format string, args ...any) {
	w.errs = append(w.errs, &Error{
		File: w.file, Line: n.Line, Column: n.Column, Field: field, Problem: fmt.Sprintf(format, args...),
	})
}

// document reads "services: {name: [endpoints]}".
func (w *walker) document(n *yaml.Node) map[string][]discovery.Endpoint {
	var services map[string][]discovery.Endpoint
	w.mapping(n, "", func(key string, k, v *yaml.Node, path string) {
		if key != "services" {
			w.fail(k, path, "unknown field; the only one here is services")
			return
		}
		services = w.services(v, path)
	})
	if services == nil && len(w.errs) == 0 {
		w.fail(n, "services", "it is missing; write \"services: {}\" to say that there are none")
	}
	return services
}

func (w *walker) services(n *yaml.Node, path string) map[string][]discovery.Endpoint {
	services := make(map[string][]discovery.Endpoint)
	w.mapping(n, path, func(name string, k, v *yaml.Node, path string) {
		if name == "" {
			w.fail(k, path, "a service needs a name")
			return
		}
		services[name] = w.endpoints(v, path)
	})
	return services
}

// endpoints reads a service's list. No address may stand in it twice.
func (w *walker) endpoints(n *yaml.Node, path string) []discovery.Endpoint {
	eps := []discovery.Endpoint{}
	seen := make(map[string]int)
	w.sequence(n, path, func(i int, item *yaml.Node, path string) {
		e := w.endpoint(item, path)
		key := strings.Join(e.Addrs, " ")
		if first, twice := seen[key]; twice && key != "" {
			w.fail(item, path, "address %s is that of entry %d already; give each once", key, first)
		}
		seen[key] = i
		eps = append(eps, e)
	})
	return eps
}

// mapping calls each for every field, with the field's path, and refuses what is
// no mapping and what stands twice.
func (w *walker) mapping(n *yaml.Node, path string, each func(key string, k, v *yaml.Node, path string)) {
	if n.Kind != yaml.MappingNode {
		w.fail(n, path, "it is %s; a mapping of names to values belongs here", kindOf(n))
		return
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			w.fail(k, path, "a field's name is plain text; merge keys and aliases are not accepted")
			continue
		}
		field := strings.TrimPrefix(path+"."+k.Value, ".")
		if line, twice := seen[k.Value]; twice {
			w.fail(k, field, "it stands in line %d already; keep one", line)
			continue
		}
		seen[k.Value] = k.Line
		each(k.Value, k, v, field)
	}
}

// sequence calls each for every item, with the item's path.
func (w *walker) sequence(n *yaml.Node, path string, each func(i int, item *yaml.Node, path string)) {
	if n.Kind != yaml.SequenceNode {
		w.fail(n, path, "it is %s; a list belongs here", kindOf(n))
		return
	}
	for i, item := range n.Content {
		each(i, item, fmt.Sprintf("%s[%d]", path, i))
	}
}

// kindOf names what a node is, for errors.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.AliasNode:
		return "an alias, which is not accepted"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "empty"
	}
	return fmt.Sprintf("%q", brief(n.Value))
}

// brief cuts what an error quotes.
func brief(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

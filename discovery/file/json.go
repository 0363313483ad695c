// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds how deep a document nests.
const maxDepth = 64

// jsonReader turns JSON into the nodes that YAML gives, with positions, so that
// one walker reads both. YAML's own parser does not take all JSON: it refuses tabs.
type jsonReader struct {
	data []byte
	dec  *json.Decoder

	at, line, start int // position of the last node: offset, line from 1, offset of its line
}

// parseJSON reads one JSON value and nothing after it.
func parseJSON(name string, data []byte) (*yaml.Node, *Error) {
	r := &jsonReader{data: data, dec: json.NewDecoder(bytes.NewReader(data)), line: 1}
	r.dec.UseNumber()
	n, err := r.value(0)
	if err == nil {
		r.seek()
		if _, more := r.dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is something after the end of the document")
		}
	}
	if err != nil {
		if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
			r.move(int(syntax.Offset) - 1)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			r.move(len(data))
			err = errors.New("the document ends too early")
		}
		return nil, &Error{File: name, Line: r.line, Column: r.column(), Problem: err.Error()}
	}
	return n, nil
}

// value reads the next value.
func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, errors.New("it nests too deep")
	}
	r.seek()
	n := &yaml.Node{Line: r.line, Column: r.column()}
	token, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		n.Kind = yaml.SequenceNode
		if t == '{' {
			n.Kind = yaml.MappingNode
		}
		return n, r.children(n, depth)
	case string:
		n.Tag, n.Value = "!!str", t
	case json.Number:
		n.Tag, n.Value = "!!int", t.String()
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(t)
	default:
		n.Tag = "!!null"
	}
	n.Kind = yaml.ScalarNode
	return n, nil
}

// children reads what is inside an object or array, and its end. An object's keys
// and values alternate, in JSON's tokens as in YAML's nodes.
func (r *jsonReader) children(n *yaml.Node, depth int) error {
	for r.dec.More() {
		child, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, child)
	}
	_, err := r.dec.Token()
	return err
}

// seek moves to where the next token begins.
func (r *jsonReader) seek() {
	to := int(r.dec.InputOffset())
	for to < len(r.data) && strings.IndexByte(" \t\r\n,:", r.data[to]) >= 0 {
		to++
	}
	r.move(to)
}

// move goes forward to an offset and counts lines.
func (r *jsonReader) move(to int) {
	for to = min(to, len(r.data)); r.at < to; r.at++ {
		if r.data[r.at] == '\n' {
			r.line++
			r.start = r.at + 1
		}
	}
}

func (r *jsonReader) column() int { return r.at - r.start + 1 }

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The bounds of a load. What is larger is refused.
const (
	maxFileBytes = 4 << 20 // of one file
	maxFiles     = 10_000  // of one load
	maxNodes     = 500_000 // YAML nodes of one file, each alias counted as often as it is used
	maxDepth     = 64      // of nesting
)

// chunk is the text between two document markers. The markers can be found by
// line: YAML allows them nowhere else, and so a mistake in one document does not
// hide those after it.
type chunk struct {
	text []byte
	line int // lines before it in the file
}

// chunksOf cuts data before each line that starts with "---".
func chunksOf(data []byte) []chunk {
	var out []chunk
	start, startLine, line := 0, 0, 0
	for pos := 0; pos < len(data); line++ {
		end := len(data)
		if i := bytes.IndexByte(data[pos:], '\n'); i >= 0 {
			end = pos + i + 1
		}
		if pos > start && isMarker(data[pos:end]) {
			out = append(out, chunk{data[start:pos], startLine})
			start, startLine = pos, line
		}
		pos = end
	}
	return append(out, chunk{data[start:], startLine})
}

func isMarker(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || strings.IndexByte(" \t\r\n", rest[0]) >= 0)
}

// isBlank reports whether a chunk holds nothing but comments, directives, markers
// and space.
func (c chunk) isBlank() bool {
	for line := range bytes.Lines(c.text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' || line[0] == '%' || string(line) == "---" || string(line) == "..." {
			continue
		}
		return false
	}
	return true
}

// mistaken hears of a mistake of syntax: where it is, and in which document; 0 is the one
// after those that were found and that had mistakes.
type mistaken func(at position, document int, message string)

// parseYAML gives each document of data to found, with its line numbers those of
// the file, and each mistake of syntax to bad.
func parseYAML(data []byte, found func(root *yaml.Node), bad mistaken) {
	if len(data) > maxFileBytes {
		bad(position{}, 0, "larger than "+strconv.Itoa(maxFileBytes>>20)+" MiB: split it")
		return
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if bytes.IndexByte(data, '\r') >= 0 { // each is the end of a line to YAML, and so to us
		data = bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	}
	if i := firstNot(data, func(r rune, size int) bool { return r != utf8.RuneError || size > 1 }); i >= 0 {
		bad(positionIn(data, i), documentAt(data, i), "not UTF-8 text: save it as UTF-8")
		return
	}
	for _, c := range chunksOf(data) {
		if !c.isBlank() {
			c.parse(found, bad)
		}
	}
}

func (c chunk) parse(found func(*yaml.Node), bad mistaken) {
	dec := yaml.NewDecoder(bytes.NewReader(c.text))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			at, message := yamlError(err, c.text)
			at.line += c.line
			bad(at, 0, message)
			return
		}
		if len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null" {
			continue
		}
		shift(&doc, c.line)
		found(doc.Content[0])
	}
}

// shift moves the line numbers of a tree. An alias's target is in the tree already.
func shift(n *yaml.Node, lines int) {
	n.Line += lines
	for _, child := range n.Content {
		shift(child, lines)
	}
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// isNull reports whether n is null, written or left out.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// describe says what n is, for messages.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		if isNull(n) {
			return "nothing"
		}
		return strconv.Quote(clip(n.Value))
	}
}

// clip shortens what is quoted in a message.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

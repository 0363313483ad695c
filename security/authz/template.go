// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"errors"
	"strings"
)

// template is a path with operators: "{*}" is one segment that is not empty, "{**}" any
// text, and no operator follows it.
//
// Source: Istio, Operation.paths; Envoy, uri_template_match.
type template struct {
	text     string
	literals []string // around and between the "{*}"
	open     bool     // the last literal is followed by "{**}"
	end      string   // what follows "{**}"
}

const (
	oneSegment  = "{*}"
	anySegments = "{**}"
)

var errTemplate = errors.New("is no path template: {*} stands for one whole segment, {**} for the rest and is the last operator, " +
	"and there is no other \"*\", \"{\" or \"}\"")

// isTemplate reports whether a path of a policy is to be read as a template.
func isTemplate(path string) bool {
	return strings.Contains(path, oneSegment) || strings.Contains(path, anySegments)
}

func parseTemplate(path string) (*template, error) {
	if path == "" || path[0] != '/' {
		return nil, errPath
	}
	t := &template{text: path}
	var literal strings.Builder
	for segment := range strings.SplitSeq(path[1:], "/") {
		literal.WriteByte('/')
		switch {
		case t.open && isTemplate(segment):
			return nil, errTemplate
		case segment == oneSegment:
			t.literals = append(t.literals, literal.String())
			literal.Reset()
		case segment == anySegments:
			t.literals = append(t.literals, literal.String())
			t.open = true
			literal.Reset()
		case strings.ContainsAny(segment, "*{}"):
			return nil, errTemplate
		case hasControl(segment):
			return nil, errControl
		default:
			literal.WriteString(segment)
		}
	}
	if t.open {
		t.end = literal.String()
	} else {
		t.literals = append(t.literals, literal.String())
	}
	return t, nil
}

// start is the text that every path begins with that the template matches.
func (t *template) start() string { return t.literals[0] }

// match reports whether the template matches path. lean: what Istio's documentation and
// Envoy's code say different things about counts as a match, else not.
func (t *template) match(path string, lean bool) bool {
	for i, literal := range t.literals {
		rest, ok := strings.CutPrefix(path, literal)
		if !ok {
			return false
		}
		path = rest
		if i == len(t.literals)-1 {
			break
		}
		segment := strings.IndexByte(path, '/')
		if segment < 0 {
			segment = len(path)
		}
		if segment == 0 {
			return false
		}
		path = path[segment:]
	}
	if !t.open {
		return path == ""
	}
	// "/foo/{**}/" is documented to match "/foo/bar/baz.txt", and Envoy does not.
	return strings.HasSuffix(path, t.end) || lean && t.end == "/" && strings.Contains(path, "/")
}

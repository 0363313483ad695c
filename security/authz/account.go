// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"errors"
	"slices"
	"strings"
)

// account is a service account of any trust domain.
type account struct{ namespace, name string }

var (
	errAccount   = errors.New("is no service account: write \"namespace/account\" or \"account\", without wildcards")
	errNamespace = errors.New("is an account of no namespace: the policy has none, write \"namespace/account\"")
)

// parseAccounts reads service accounts; those without a namespace are of the policy's own.
func parseAccounts(values []string, own string) ([]account, error) {
	var accounts []account
	for i, value := range values {
		namespace, name, ok := strings.Cut(value, "/")
		if !ok {
			namespace, name = own, value
		}
		switch {
		case name == "", ok && namespace == "", strings.ContainsAny(value, "* ") || strings.Contains(name, "/") || hasControl(value):
			return nil, bad(i, value, errAccount)
		case namespace == "":
			return nil, bad(i, value, errNamespace)
		}
		accounts = append(accounts, account{namespace, name})
	}
	return accounts, nil
}

// namespaces are patterns of them, with "*" anywhere.
type namespaces struct {
	set   *set
	globs []string
}

var errSlash = errors.New("has a slash: it is one segment of the identity")

func newNamespaces(values []string) (*namespaces, error) {
	n := &namespaces{set: &set{}}
	for i, value := range values {
		if strings.Contains(value, "/") {
			return nil, bad(i, value, errSlash)
		}
		p, err := parsePattern(value)
		switch {
		case err == nil:
			n.set.add(p)
		case errors.Is(err, errWildcard):
			n.globs = append(n.globs, value)
		default:
			return nil, bad(i, value, err)
		}
	}
	n.set.seal()
	return n, nil
}

func (n *namespaces) match(v string) bool {
	return n.set.match(v) || slices.ContainsFunc(n.globs, func(g string) bool { return glob(g, v) })
}

// subject is a pattern of an end user, "issuer/subject" cut at the last slash, so that no
// issuer can pass for another by a slash in a subject.
type subject struct {
	whole        pattern // of "issuer/subject" as one text
	issuer, name pattern
}

var (
	errSubject = errors.New("is no request principal: write \"issuer/subject\"")
	errIssuer  = errors.New("is cut within the issuer's URL, at its last slash: write the whole issuer, a slash, and the subject or \"*\"")
)

func parseSubject(value string) (subject, error) {
	whole, err := parsePattern(value)
	if err != nil {
		return subject{}, err
	}
	s := subject{whole: whole, issuer: pattern{form: present}, name: pattern{form: present}}
	slash := strings.LastIndexByte(whole.text, '/')
	switch {
	case slash < 0 && whole.form == exact:
		return s, errSubject
	case slash < 0 && whole.form == prefix:
		s.issuer = whole
	case slash < 0 && whole.form == suffix:
		s.name = whole
	case slash >= 0:
		s.cut(whole.text[:slash], whole.text[slash+1:])
	}
	switch {
	case s.issuer.nobody() || s.name.nobody():
		return s, errSubject
	case s.issuer.text == "https:/" || s.issuer.text == "http:/":
		return s, errIssuer
	}
	return s, nil
}

// nobody reports whether the pattern matches nothing.
func (p pattern) nobody() bool { return p.text == "" && p.form != present }

// cut sets the patterns of both halves; the wildcard is the first's or the second's.
func (s *subject) cut(issuer, name string) {
	s.issuer, s.name = pattern{exact, issuer}, pattern{exact, name}
	switch {
	case s.whole.form == suffix && issuer == "":
		s.issuer = pattern{form: present}
	case s.whole.form == suffix:
		s.issuer = pattern{suffix, issuer}
	case s.whole.form == prefix && name == "":
		s.name = pattern{form: present}
	case s.whole.form == prefix:
		s.name = pattern{prefix, name}
	}
}

func parseSubjects(values []string) ([]subject, error) {
	var subjects []subject
	for i, value := range values {
		s, err := parseSubject(value)
		if err != nil {
			return nil, bad(i, value, err)
		}
		subjects = append(subjects, s)
	}
	return subjects, nil
}

// match reports whether the pattern matches an end user. lean: it also does when the
// whole text, cut nowhere, matches.
func (s *subject) match(issuer, name string, lean bool) bool {
	return s.issuer.match(issuer) && s.name.match(name) || lean && s.whole.matchJoined(issuer, name)
}

// matchJoined is match for first + "/" + second, which is not put together.
func (p pattern) matchJoined(first, second string) bool {
	switch p.form {
	case exact:
		return len(p.text) == len(first)+1+len(second) && begins(first, second, p.text)
	case prefix:
		return begins(first, second, p.text)
	case suffix:
		return ends(first, second, p.text)
	}
	return true
}

// begins reports whether first + "/" + second begins with text.
func begins(first, second, text string) bool {
	if len(text) <= len(first) {
		return strings.HasPrefix(first, text)
	}
	rest, ok := strings.CutPrefix(text, first)
	return ok && rest[0] == '/' && strings.HasPrefix(second, rest[1:])
}

// ends reports whether first + "/" + second ends with text.
func ends(first, second, text string) bool {
	if len(text) <= len(second) {
		return strings.HasSuffix(second, text)
	}
	rest, ok := strings.CutSuffix(text, second)
	return ok && rest[len(rest)-1] == '/' && strings.HasSuffix(first, rest[:len(rest)-1])
}

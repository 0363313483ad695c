// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh/security"
)

const (
	scheme = "spiffe://"
	// localDomain is how Istio's documents call the trust domain that they are used in.
	localDomain = "cluster.local"
)

// domains are the names of this server's trust domain, its own first.
type domains []string

// principals are the patterns that a principal of a policy stands for: one for each name
// of the trust domain, where it is of this server's.
func (d domains) principals(values []string) (*set, error) {
	s := &set{}
	for i, value := range values {
		expanded := []string{value}
		if td, rest, ok := strings.Cut(value, "/"); ok && len(d) > 0 && (td == localDomain || slices.Contains(d, td)) {
			expanded = expanded[:0]
			for _, name := range d {
				expanded = append(expanded, name+"/"+rest)
			}
		}
		for _, e := range expanded {
			p, err := parsePrincipal(e)
			if err != nil {
				return nil, bad(i, value, err)
			}
			s.add(p)
		}
	}
	s.seal()
	return s, nil
}

var errScheme = errors.New("begins with \"spiffe://\": leave that out")

func parsePrincipal(value string) (pattern, error) {
	if strings.HasPrefix(value, scheme) {
		return pattern{}, errScheme
	}
	p, err := parsePattern(value)
	if err != nil || p.form != exact {
		return p, err
	}
	if _, err := security.ParseID(scheme + value); err != nil {
		return p, fmt.Errorf("would match nobody: %w", err)
	}
	return p, nil
}

// spiffe is an identity taken apart.
type spiffe struct {
	principal   string // without the scheme
	trustDomain string
	namespace   string // "" when the path has none
	account     string
	twice       bool // the path says ns, or sa, more than once
}

// parseSPIFFE reads a verified identity; it reports false for what is no SPIFFE ID.
func parseSPIFFE(identity string) (spiffe, bool) {
	id, err := security.ParseID(identity)
	if err != nil {
		return spiffe{}, false
	}
	s := spiffe{
		principal:   identity[len(scheme):],
		trustDomain: id.TrustDomain(),
		namespace:   id.Namespace(),
		account:     id.ServiceAccount(),
	}
	if s.namespace == "" {
		s.search(id.Path())
	}
	return s, true
}

// search finds "/ns/<namespace>/" and, behind it, "/sa/<account>" in a path that is not of
// Istio's plain form, where Istio's expressions would.
func (s *spiffe) search(path string) {
	for key, rest, _ := strings.Cut(path[1:], "/"); rest != ""; key, rest, _ = strings.Cut(rest, "/") {
		value, _, more := strings.Cut(rest, "/")
		switch {
		case key == "ns" && more:
			s.twice = s.twice || s.namespace != ""
			s.namespace = value
		case key == "sa" && s.namespace != "":
			s.twice = s.twice || s.account != ""
			s.account = value
		}
	}
}

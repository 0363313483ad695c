// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"errors"
	"fmt"
	"strings"
)

var (
	errPath     = errors.New("begins with no slash, and so matches no path")
	errNothing  = errors.New(": is empty: leave it out, or give it values")
	errNoValues = errors.New(": has neither values nor notValues: give it one")
)

// atom compiles one list of values.
func (c *compiler) atom(e entry) (atom, error) {
	a := atom{attr: e.attr, negated: e.negated, name: e.name, values: e.values}
	if len(e.values) == 0 {
		return a, errNothing
	}
	var err error
	switch e.attr {
	case principal:
		a.set, err = c.domains.principals(e.values)
	case serviceAccount:
		a.accounts, err = parseAccounts(e.values, c.namespace)
	case namespace:
		a.namespaces, err = newNamespaces(e.values)
	case requestPrincipal:
		a.subjects, err = parseSubjects(e.values)
	case sourceIP, remoteIP, destinationIP:
		a.blocks, err = newBlocks(e.values)
	case destinationPort:
		a.ports, err = parsePorts(e.values)
	case host:
		a.hosts, err = newHosts(e.values)
	case path:
		a.set, a.templates, err = parsePaths(e.values)
	case sni:
		a.set, err = newSet(e.values, func(v string) (pattern, error) { return parsePattern(lower(v)) })
	default:
		a.set, err = newSet(e.values, parsePattern)
	}
	return a, err
}

func parsePorts(values []string) ([]uint16, error) {
	var ports []uint16
	for i, value := range values {
		port, err := parsePort(value)
		if err != nil {
			return nil, bad(i, value, err)
		}
		ports = append(ports, port)
	}
	return ports, nil
}

// parsePaths reads paths, some of which may be templates.
func parsePaths(values []string) (*set, []*template, error) {
	s := &set{}
	var templates []*template
	for i, value := range values {
		if isTemplate(value) {
			t, err := parseTemplate(value)
			if err != nil {
				return nil, nil, bad(i, value, err)
			}
			templates = append(templates, t)
			continue
		}
		p, err := parsePattern(value)
		if err == nil && (p.form == exact || p.form == prefix) && p.text[0] != '/' {
			err = errPath
		}
		if err != nil {
			return nil, nil, bad(i, value, err)
		}
		s.add(p)
	}
	s.seal()
	return s, templates, nil
}

// keys are those of conditions that are one attribute, by Istio's names.
var keys = map[string]attribute{
	"source.ip":              sourceIP,
	"remote.ip":              remoteIP,
	"source.namespace":       namespace,
	"source.principal":       principal,
	"source.serviceAccount":  serviceAccount,
	"source.trustDomain":     trustDomain,
	"request.auth.principal": requestPrincipal,
	"request.auth.audiences": audience,
	"request.auth.presenter": presenter,
	"destination.ip":         destinationIP,
	"destination.port":       destinationPort,
	"connection.sni":         sni,
}

const (
	headersKey = "request.headers"
	claimsKey  = "request.auth.claims"
	filtersKey = "experimental.envoy.filters."
)

// condition compiles one condition: an atom for each of its lists.
func (c *compiler) condition(in *Condition) ([]atom, error) {
	if in.Values == nil && in.NotValues == nil {
		return nil, errNoValues
	}
	var atoms []atom
	for _, side := range []struct {
		name    string
		values  []string
		negated bool
	}{{"values", in.Values, false}, {"notValues", in.NotValues, true}} {
		if side.values == nil {
			continue
		}
		a, err := c.keyed(in.Key, entry{name: in.Key, values: side.values, negated: side.negated})
		if key := keyError(""); errors.As(err, &key) {
			return nil, fmt.Errorf(".key: %q %w", in.Key, err)
		}
		if err != nil {
			return nil, fmt.Errorf(".%s%w", side.name, err)
		}
		atoms = append(atoms, a)
	}
	return atoms, nil
}

// keyed compiles one side of a condition.
func (c *compiler) keyed(key string, e entry) (atom, error) {
	if attr, ok := keys[key]; ok {
		e.attr = attr
		return c.atom(e)
	}
	switch {
	case strings.HasPrefix(key, headersKey+"["):
		return c.header(key[len(headersKey):], e)
	case strings.HasPrefix(key, claimsKey+"["):
		return c.claim(key[len(claimsKey):], e)
	case strings.HasPrefix(key, filtersKey):
		return atom{}, keyError("is about filters of Envoy, which this server has none of")
	}
	return atom{}, keyError("is not a key of conditions")
}

// keyError says what is wrong with a key.
type keyError string

func (e keyError) Error() string { return string(e) }

func (c *compiler) header(names string, e entry) (atom, error) {
	path, err := parseNames(names)
	if err != nil || len(path) != 1 {
		return atom{}, keyError("names no header: write request.headers[name]")
	}
	switch name := lower(path[0]); {
	case name == ":authority" || name == "host":
		e.attr = host
		return c.atom(e)
	case name == ":method":
		e.attr = method
		return c.atom(e)
	case strings.HasPrefix(name, ":"):
		return atom{}, keyError("is a pseudo header that conditions do not have: use operation.paths for the path")
	case name == "transfer-encoding" || name == "trailer" || name == "te" || strings.HasPrefix(name, "grpc-"):
		return atom{}, keyError("is a header that the protocol keeps to itself, and no condition would ever see")
	case strings.HasSuffix(name, "-bin"):
		return atom{}, keyError("is binary metadata, which has no one text form to compare")
	case fieldName(name) == "":
		return atom{}, keyError("names no header: it has a character that no name has")
	default:
		e.attr = header
		a, err := c.atom(e)
		if err == nil {
			a.field = newField(fieldName(name), a.set)
		}
		return a, err
	}
}

func (c *compiler) claim(names string, e entry) (atom, error) {
	path, err := parseNames(names)
	if err != nil {
		return atom{}, keyError("names no claim: write request.auth.claims[name], or [name][name] for a nested one")
	}
	e.attr = claimed
	a, err := c.atom(e)
	if err == nil {
		a.claim = newClaim(path, a.set)
	}
	return a, err
}

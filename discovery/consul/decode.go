// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh/discovery"
)

// rejects counts instances that cannot be used, by what is wrong with them.
type rejects map[string]int

// String is "2 port, 1 address".
func (r rejects) String() string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(r)) {
		parts = append(parts, fmt.Sprintf("%d %s", r[reason], reason))
	}
	return strings.Join(parts, ", ")
}

func (r rejects) total() int {
	n := 0
	for _, c := range r {
		n += c
	}
	return n
}

// list is what an answer to a health query says.
type list struct {
	eps     []discovery.Endpoint
	listed  int // instances in the answer, before anything was left out
	rejects rejects
}

// read reads the JSON of a health query from a stream, an instance at a time. What
// is wrong in one instance costs that instance; where that is over half of them, the
// list is not to be believed.
func (s *selection) read(r io.Reader) (list, error) {
	dec := json.NewDecoder(r)
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return list{}, garbage(err, "it is no list of instances")
	}
	out := list{rejects: rejects{}}
	var found []candidate
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return list{}, garbage(err, "")
		}
		out.listed++
		c, problem := s.candidate(raw)
		if problem != "" {
			out.rejects[problem]++
			continue
		}
		found = append(found, c)
	}
	if _, err := dec.Token(); err != nil {
		return list{}, garbage(err, "")
	}
	if bad := out.rejects.total(); 2*bad > out.listed {
		return list{}, &Error{Reason: Invalid, Err: fmt.Errorf("%d of %d instances cannot be used: %s", bad, out.listed, out.rejects)}
	}
	out.eps = s.choose(found)
	return out, nil
}

// garbage is the error for a body that is not what it should be; an error of the
// stream itself passes.
func garbage(err error, otherwise string) error {
	var own *Error
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &own):
		return own
	case err == nil:
		return &Error{Reason: Garbage, Err: errors.New(otherwise)}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &syntax):
		return &Error{Reason: Garbage, Err: fmt.Errorf("it is no JSON, or cut short: %w", err)}
	}
	return err
}

// entry is what is read of an instance; fields that are not named are not looked at.
type entry struct {
	Node struct {
		Node            string
		Address         string
		Datacenter      string
		TaggedAddresses map[string]string
		Locality        *place
	}
	Service struct {
		ID              string
		Tags            []string
		Meta            map[string]string
		Port            int64
		Address         string
		TaggedAddresses map[string]struct {
			Address string
			Port    int64
		}
		Weights     *struct{ Passing, Warning int64 }
		CreateIndex uint64
		Locality    *place
	}
	Checks []struct {
		CheckID string
		Status  string
	}
}

type place struct{ Region, Zone string }

// candidate is an instance that can be used, before health has its say.
type candidate struct {
	ep      discovery.Endpoint
	health  health
	created uint64
	key     string // node and ID
}

// candidate reads one instance, or says what is wrong with it in a word.
func (s *selection) candidate(raw json.RawMessage) (c candidate, problem string) {
	var e entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return c, "type"
	}
	if c.ep, problem = s.endpoint(&e); problem != "" {
		return c, problem
	}
	c.health = e.health()
	c.ep.Weight, c.ep.Draining = e.weight(c.health, c.ep.Draining)
	c.created, c.key = e.Service.CreateIndex, e.Node.Node+"/"+e.Service.ID
	return c, ""
}

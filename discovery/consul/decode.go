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
	part := &portion{r: r}
	dec := json.NewDecoder(part)
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return list{}, garbage(err, "it is no list of instances")
	}
	out := list{rejects: rejects{}}
	var found []candidate
	for dec.More() {
		var raw json.RawMessage
		part.next(dec.InputOffset())
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

// maxInstance is how many bytes one instance may have: far more than a catalog takes, and
// what its reading may hold in memory at once, some three times over.
const maxInstance = 1 << 20

// portion is a stream that is read up to the end of the next instance and not much
// further, so that a body of one endless instance is never held.
type portion struct {
	r     io.Reader
	read  int64
	limit int64 // of read; 0 before the first instance
}

// next says that an instance begins at an offset.
func (p *portion) next(offset int64) { p.limit = offset + maxInstance }

func (p *portion) Read(b []byte) (int, error) {
	left := max(p.limit, maxInstance) - p.read
	if left <= 0 {
		return 0, &Error{Reason: TooLarge, Err: fmt.Errorf("one instance is longer than %d bytes", maxInstance)}
	}
	n, err := p.r.Read(b[:min(int64(len(b)), left)])
	p.read += int64(n)
	return n, err
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

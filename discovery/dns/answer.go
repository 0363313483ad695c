// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// question is one name and what is asked of it.
type question struct {
	name string // ends in a dot
	typ  dnsmessage.Type
}

// answer is what a server said to a question.
type answer struct {
	exists    bool // false: the server says that the name does not exist
	truncated bool
	records   []record // of the sections answer and additional, in their order
	negative  uint32   // how long it holds that there is nothing, in seconds
}

// record is an A, AAAA, CNAME or SRV record. Names are in lower case.
type record struct {
	name                   string
	typ                    dnsmessage.Type
	ttl                    uint32     // seconds
	addr                   netip.Addr // of A and AAAA
	target                 string     // of CNAME and SRV
	port, priority, weight uint16
}

// errNotOurs is an answer to some other question: a late one, or a forged one.
var errNotOurs = errors.New("the answer is to another question")

// pack writes the message of a question. It offers to take answers of up to udpSize
// over UDP (RFC 6891).
func (q question) pack(id uint16) ([]byte, error) {
	name, err := dnsmessage.NewName(q.name)
	if err != nil {
		return nil, err
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: true})
	var opt dnsmessage.ResourceHeader
	err = errors.Join(
		opt.SetEDNS0(udpSize, dnsmessage.RCodeSuccess, false),
		b.StartQuestions(),
		b.Question(dnsmessage.Question{Name: name, Type: q.typ, Class: dnsmessage.ClassINET}),
		b.StartAdditionals(),
		b.OPTResource(opt, dnsmessage.OPTResource{}),
	)
	if err != nil {
		return nil, err
	}
	return b.Finish()
}

// parse reads the answer to q. A message that is to another question is errNotOurs; a
// server that says that it failed is an error with its code.
func (q question) parse(id uint16, msg []byte) (answer, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil {
		return answer{}, errNotOurs
	}
	asked, err := p.AllQuestions()
	if err != nil || h.ID != id || !h.Response || len(asked) != 1 || asked[0].Type != q.typ || !strings.EqualFold(asked[0].Name.String(), q.name) {
		return answer{}, errNotOurs
	}
	if h.RCode != dnsmessage.RCodeSuccess && h.RCode != dnsmessage.RCodeNameError {
		return answer{}, fmt.Errorf("it answered %s", strings.TrimPrefix(h.RCode.String(), "RCode"))
	}
	a := answer{exists: h.RCode == dnsmessage.RCodeSuccess, truncated: h.Truncated}
	if a.truncated {
		return a, nil
	}
	err = a.read(&p)
	return a, err
}

// read takes the three sections that come after the question.
func (a *answer) read(p *dnsmessage.Parser) error {
	if err := a.section(p.Answer, p.SkipAnswer, p.AnswerHeader); err != nil {
		return err
	}
	if err := a.authority(p); err != nil {
		return err
	}
	return a.section(p.Additional, p.SkipAdditional, p.AdditionalHeader)
}

// section takes the records of a section that are of use.
func (a *answer) section(take func() (dnsmessage.Resource, error), skip func() error, head func() (dnsmessage.ResourceHeader, error)) error {
	for {
		h, err := head()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return nil
		}
		if err != nil {
			return err
		}
		if !ofUse(h.Type) || h.Class != dnsmessage.ClassINET {
			if err := skip(); err != nil {
				return err
			}
			continue
		}
		r, err := take()
		if err != nil {
			return err
		}
		a.records = append(a.records, newRecord(r))
	}
}

func ofUse(t dnsmessage.Type) bool {
	switch t {
	case dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeCNAME, dnsmessage.TypeSRV:
		return true
	}
	return false
}

func newRecord(r dnsmessage.Resource) record {
	out := record{name: strings.ToLower(r.Header.Name.String()), typ: r.Header.Type, ttl: lifetime(r.Header.TTL)}
	switch b := r.Body.(type) {
	case *dnsmessage.AResource:
		out.addr = netip.AddrFrom4(b.A)
	case *dnsmessage.AAAAResource:
		out.addr = netip.AddrFrom16(b.AAAA)
	case *dnsmessage.CNAMEResource:
		out.target = strings.ToLower(b.CNAME.String())
	case *dnsmessage.SRVResource:
		out.target = strings.ToLower(b.Target.String())
		out.port, out.priority, out.weight = b.Port, b.Priority, b.Weight
	}
	return out
}

// lifetime is a time to live as RFC 2181 reads it: with the highest bit set it is 0.
func lifetime(ttl uint32) uint32 {
	if ttl >= 1<<31 {
		return 0
	}
	return ttl
}

// authority finds how long nothing holds: the lesser of the SOA record's own time and
// its last field (RFC 2308).
func (a *answer) authority(p *dnsmessage.Parser) error {
	for {
		h, err := p.AuthorityHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Type != dnsmessage.TypeSOA {
			if err := p.SkipAuthority(); err != nil {
				return err
			}
			continue
		}
		soa, err := p.SOAResource()
		if err != nil {
			return err
		}
		a.negative = min(lifetime(h.TTL), lifetime(soa.MinTTL))
	}
}

// of gives the records of a type that stand under the name, or under the one that a
// chain of CNAMEs leads to, and how many seconds all of that holds.
func (a *answer) of(q question) (found []record, seconds uint32) {
	const longest = 16
	name, seconds := strings.ToLower(q.name), uint32(1<<31-1)
	for range longest {
		next := ""
		for _, r := range a.records {
			switch {
			case r.name != name:
			case r.typ == q.typ:
				found = append(found, r)
				seconds = min(seconds, r.ttl)
			case r.typ == dnsmessage.TypeCNAME && next == "":
				next = r.target
				seconds = min(seconds, r.ttl)
			}
		}
		if len(found) > 0 || next == "" {
			break
		}
		name = next
	}
	if len(found) == 0 {
		return nil, a.negative
	}
	return found, seconds
}

func inSeconds(n uint32) time.Duration { return time.Duration(n) * time.Second }

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// reply is a server's message that answers q.
func reply(tb testing.TB, q question, id uint16, code dnsmessage.RCode, resources ...dnsmessage.Resource) []byte {
	tb.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, Response: true, RCode: code},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(q.name), Type: q.typ, Class: dnsmessage.ClassINET}},
		Answers:   resources,
	}
	b, err := m.Pack()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// resource is a record of the name, for a minute.
func resource(name string, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 60}, Body: body,
	}
}

// FuzzParse reads what a server sent. Whatever comes, an answer that is taken holds only
// records of kinds that are asked for, with what those need, and a name that does not exist
// is never taken from a server that failed.
func FuzzParse(f *testing.F) {
	host, srv := question{"web.test.", dnsmessage.TypeA}, question{"_grpc._tcp.web.test.", dnsmessage.TypeSRV}
	const id = 7
	for _, msg := range [][]byte{
		nil,
		reply(f, host, id, dnsmessage.RCodeSuccess, resource(host.name, &dnsmessage.AResource{A: [4]byte{10, 0, 0, 1}})),
		reply(f, host, id, dnsmessage.RCodeSuccess,
			resource(host.name, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("a.test.")}),
			resource("a.test.", &dnsmessage.AAAAResource{AAAA: [16]byte{0xfd, 15: 1}})),
		reply(f, host, id, dnsmessage.RCodeNameError),
		reply(f, host, id, dnsmessage.RCodeServerFailure),
		reply(f, host, id+1, dnsmessage.RCodeSuccess),
		reply(f, srv, id, dnsmessage.RCodeSuccess,
			resource(srv.name, &dnsmessage.SRVResource{Priority: 1, Weight: 2, Port: 80, Target: dnsmessage.MustNewName("a.test.")})),
	} {
		f.Add(msg, false)
		f.Add(msg, true)
	}
	f.Fuzz(func(t *testing.T, msg []byte, service bool) {
		q := host
		if service {
			q = srv
		}
		a, err := q.parse(id, msg)
		if err != nil {
			return
		}
		var p dnsmessage.Parser
		h, err := p.Start(msg)
		if err != nil || h.ID != id || !h.Response || a.exists != (h.RCode == dnsmessage.RCodeSuccess) {
			t.Fatalf("%+v was taken for an answer that says exists %t: %v", h, a.exists, err)
		}
		for _, r := range a.records {
			switch r.typ {
			case dnsmessage.TypeA, dnsmessage.TypeAAAA:
				if !r.addr.IsValid() || (r.typ == dnsmessage.TypeA) != r.addr.Is4() {
					t.Errorf("address of a record of type %v: %v", r.typ, r.addr)
				}
			case dnsmessage.TypeCNAME, dnsmessage.TypeSRV:
				if r.target == "" {
					t.Errorf("a record of type %v without a target", r.typ)
				}
			default:
				t.Errorf("a record of type %v", r.typ)
			}
		}
	})
}

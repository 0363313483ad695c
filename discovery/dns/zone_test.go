// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// zone is a DNS server that says what a test tells it to. It is reached through Dial
// or, after listen, over real sockets.
type zone struct {
	mu      sync.Mutex // guards what follows
	records map[string][]dnsmessage.Resource
	extra   []dnsmessage.Resource // in the section additional of every answer
	rcode   map[string]dnsmessage.RCode
	silent  bool // it answers nothing
	cut     bool // over UDP every answer is cut short
	forged  bool // over UDP every answer follows two that are to other questions
	garbage bool // answers do not parse beyond the question
	asked   []string
	over    []string // "udp" or "tcp", for each of asked
	soa     uint32   // seconds that nothing holds; 0: it is not said
}

func newZone() *zone {
	return &zone{records: map[string][]dnsmessage.Resource{}, rcode: map[string]dnsmessage.RCode{}}
}

// change edits the zone.
func (z *zone) change(f func(z *zone)) {
	z.mu.Lock()
	defer z.mu.Unlock()
	f(z)
}

// questions is what was asked so far, as "A name", in order of arrival.
func (z *zone) questions() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return append([]string(nil), z.asked...)
}

// set replaces the records of a name and a type: addresses, or "priority weight port
// target", or the name that another stands for.
func (z *zone) set(name string, ttl uint32, values ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for key := range z.records {
		if strings.HasSuffix(key, " "+name) {
			delete(z.records, key)
		}
	}
	for _, v := range values {
		r := resource(name, ttl, v)
		key := key(r.Header.Type, name)
		z.records[key] = append(z.records[key], r)
	}
}

func key(t dnsmessage.Type, name string) string {
	return strings.TrimPrefix(t.String(), "Type") + " " + name
}

func resource(name string, ttl uint32, value string) dnsmessage.Resource {
	h := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: ttl}
	var port, priority, weight uint16
	var target string
	if n, _ := fmt.Sscan(value, &priority, &weight, &port, &target); n == 4 {
		h.Type = dnsmessage.TypeSRV
		return dnsmessage.Resource{Header: h, Body: &dnsmessage.SRVResource{Priority: priority, Weight: weight, Port: port, Target: dnsmessage.MustNewName(target)}}
	}
	addr, err := netip.ParseAddr(value)
	switch {
	case err != nil:
		h.Type = dnsmessage.TypeCNAME
		return dnsmessage.Resource{Header: h, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(value)}}
	case addr.Is4():
		h.Type = dnsmessage.TypeA
		return dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: addr.As4()}}
	}
	h.Type = dnsmessage.TypeAAAA
	return dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}}
}

// answer is the packets that answer one.
func (z *zone) answer(network string, msg []byte) [][]byte {
	z.mu.Lock()
	defer z.mu.Unlock()
	var m dnsmessage.Message
	if m.Unpack(msg) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	name := strings.ToLower(q.Name.String())
	z.asked, z.over = append(z.asked, key(q.Type, name)), append(z.over, network)
	if z.silent {
		return nil
	}
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true}, Questions: m.Questions, Additionals: z.extra}
	z.fill(&reply, q.Type, name)
	if z.cut && network == "udp" {
		reply.Truncated, reply.Answers = true, nil
	}
	good := packed(reply)
	if z.garbage {
		good = append(good[:12:12], good[12:]...)
		good[7] = 200 // answers that are not there
	}
	if !z.forged || network == "tcp" {
		return [][]byte{good}
	}
	late, other := reply, reply
	late.ID++
	other.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("evil."), Type: q.Type, Class: q.Class}}
	return [][]byte{packed(late), packed(other), []byte("x"), good}
}

func packed(m dnsmessage.Message) []byte {
	out, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return out
}

// fill puts in what the zone has, through chains of CNAMEs.
func (z *zone) fill(reply *dnsmessage.Message, t dnsmessage.Type, name string) {
	if code, ok := z.rcode[name]; ok {
		reply.RCode = code
		return
	}
	for name != "" {
		known := false
		for k := range z.records {
			known = known || strings.HasSuffix(k, " "+name)
		}
		if !known {
			reply.RCode = dnsmessage.RCodeNameError
		}
		reply.Answers = append(reply.Answers, z.records[key(t, name)]...)
		alias := z.records[key(dnsmessage.TypeCNAME, name)]
		name = ""
		if len(alias) > 0 {
			reply.Answers = append(reply.Answers, alias...)
			name = alias[0].Body.(*dnsmessage.CNAMEResource).CNAME.String()
		}
	}
	if len(reply.Answers) == 0 && z.soa > 0 {
		reply.Authorities = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("."), Class: dnsmessage.ClassINET, TTL: 3600},
			Body:   &dnsmessage.SOAResource{NS: dnsmessage.MustNewName("."), MBox: dnsmessage.MustNewName("."), MinTTL: z.soa},
		}}
	}
}

// Dial is a connection to the zone, for Config.
func (z *zone) Dial(_ context.Context, network, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		z.converse(network, server)
	}()
	return client, nil
}

// converse answers what comes over a connection, until it ends.
func (z *zone) converse(network string, conn net.Conn) {
	buf := make([]byte, 1<<16)
	for {
		var n int
		var err error
		if network == "tcp" {
			if _, err = io.ReadFull(conn, buf[:2]); err == nil {
				n = int(binary.BigEndian.Uint16(buf))
				_, err = io.ReadFull(conn, buf[:n])
			}
		} else {
			n, err = conn.Read(buf)
		}
		if err != nil {
			return
		}
		for _, out := range z.answer(network, buf[:n]) {
			if network == "tcp" {
				out = append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)
			}
			if _, err := conn.Write(out); err != nil {
				return
			}
		}
	}
}

// bothKinds listens on one port over UDP and TCP: one that is free for the first may be
// taken for the second.
func bothKinds(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for try := 0; ; try++ {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		streams, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, streams
		}
		_ = packets.Close()
		if try == 20 {
			t.Fatal(err)
		}
	}
}

// listen has the zone answer on UDP and TCP, on one port of 127.0.0.1, and gives it.
func (z *zone) listen(t *testing.T) string {
	t.Helper()
	var serving sync.WaitGroup
	packets, streams := bothKinds(t)
	serving.Go(func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := packets.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, out := range z.answer("udp", buf[:n]) {
				_, _ = packets.WriteTo(out, from)
			}
		}
	})
	serving.Go(func() {
		for {
			conn, err := streams.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				z.converse("tcp", conn)
			})
		}
	})
	t.Cleanup(func() {
		packets.Close()
		streams.Close()
		serving.Wait()
	})
	return packets.LocalAddr().String()
}

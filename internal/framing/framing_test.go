// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package framing_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/enmesh-go/enmesh/internal/framing"
)

// requests are what net/http reads of a connection, a line each, and why it read no more.
func requests(from io.Reader) (all []string, end error) {
	r := bufio.NewReader(from)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return all, err
		}
		text, err := io.ReadAll(req.Body)
		all = append(all, fmt.Sprintf("%s %s %q %q", req.Method, req.RequestURI, req.Header["X-A"], text))
		if err != nil {
			return all, err
		}
	}
}

// cuts are a text as it may arrive.
func cuts(text string) map[string]io.Reader {
	return map[string]io.Reader{
		"at once":      strings.NewReader(text),
		"byte by byte": iotest.OneByteReader(strings.NewReader(text)),
		"in halves":    iotest.HalfReader(strings.NewReader(text)),
	}
}

const (
	line  = "POST / HTTP/1.1\r\nHost: a\r\n"
	after = "GET /after HTTP/1.1\r\nHost: a\r\n\r\n"
)

func TestReader_passes(t *testing.T) {
	for name, text := range map[string]string{
		"no body":              line + "\r\n",
		"an empty length":      line + "Content-Length: 0\r\n\r\n",
		"a length":             line + "content-LENGTH:  5 \t\r\n\r\n1\n3\n5",
		"a body like a head":   line + "Content-Length: 12\r\n\r\nA: 1\n b\n\n\n\n\n",
		"chunks":               line + "transfer-encoding: Chunked\r\n\r\n5\r\n1\n3\n5\r\n0A;a=b\r\n\n123456789\r\n0\r\n\r\n",
		"fields behind chunks": line + "Trailer: X-B\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-B: 1\r\nContent-Length: 9\r\n\r\n",
		"many fields":          line + strings.Repeat("X-A: "+strings.Repeat("b", 300)+"\r\n", 100) + "\r\n",
		"names of that length": line + "Content-Lengt1: 5\r\nTransfer-Encodin1: chunked\r\nX-A:\r\n\r\n",
		"HTTP/1.0":             "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	} {
		want, _ := requests(strings.NewReader(text + after))
		if len(want) != 2 {
			t.Fatalf("%s: net/http itself reads %q", name, want)
		}
		for how, from := range cuts(text + after) {
			if got, err := requests(framing.NewReader(from)); err != io.EOF || !slices.Equal(got, want) {
				t.Errorf("%s, %s: got %q, %v; want %q", name, how, got, err, want)
			}
		}
	}
}

func TestReader_refuses(t *testing.T) {
	for name, text := range map[string]string{
		"a coding after a length":    line + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a length after a coding":    line + "Transfer-Encoding: chunked\r\nX-A: a\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
		"two lengths that agree":     line + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
		"two codings":                line + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a coding in HTTP/1.0":       "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a coding far behind":        line + "Transfer-Encoding: chunked" + strings.Repeat(" ", 100) + "\r\n\r\n0\r\n\r\n",
		"no length":                  line + "Content-Length: x\r\n\r\n",
		"a folded line":              line + "X-A: a\r\n b\r\n\r\n",
		"a line folded by a tab":     line + "X-A: a\r\n\tb\r\n\r\n",
		"a folded length":            line + "Content-Length:\r\n 0\r\n\r\n",
		"a request line without CR":  "POST / HTTP/1.1\nHost: a\r\n\r\n",
		"a field without CR":         line + "X-A: a\n\r\n",
		"an empty field without CR":  line + "X-A:\n\r\n",
		"an end without CR":          line + "\n",
		"an end with CR in between":  line + "X-A: a\r\n\r\r\n",
		"a chunk without CR":         line + "Transfer-Encoding: chunked\r\n\r\n0\n\r\n",
		"a field behind, without CR": line + "Transfer-Encoding: chunked\r\n\r\n0\r\nX-B: 1\n\r\n",
		"a field behind, folded":     line + "Transfer-Encoding: chunked\r\n\r\n0\r\nX-B: 1\r\n 2\r\n\r\n",
	} {
		for how, from := range cuts(after + text + after) {
			got, err := requests(framing.NewReader(from))
			if err == nil || err == io.EOF || len(got) == 0 || len(got) > 2 || !strings.HasPrefix(got[0], "GET /after ") {
				t.Errorf("%s, %s: got %q, %v; want the request before and an error", name, how, got, err)
			}
			if len(got) > 1 && !strings.Contains(text, "\r\n\r\n0") {
				t.Errorf("%s, %s: got the head of %q", name, how, got[1])
			}
		}
	}
}

// What was taken over is not HTTP, and neither is a connection of HTTP/2.
func TestReader_isFree(t *testing.T) {
	const rest = "\n a\n\r\n b"
	r := framing.NewReader(strings.NewReader(after + rest))
	if _, err := io.ReadFull(r, make([]byte, len(after))); err != nil {
		t.Fatal(err)
	}
	r.Free()
	if got, err := io.ReadAll(r); string(got) != rest || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, rest)
	}
	const two = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + rest
	for how, from := range cuts(two) {
		if got, err := io.ReadAll(framing.NewReader(from)); string(got) != two || err != nil {
			t.Errorf("%s: got %q, %v; want %q", how, got, err, two)
		}
	}
}

func TestReader_allocates(t *testing.T) {
	const text = line + "X-A: a\r\nContent-Length: 5\r\n\r\n12345"
	all := []byte(text)
	var from bytes.Reader
	r, b := framing.NewReader(&from), make([]byte, 4096)
	if n := testing.AllocsPerRun(100, func() {
		from.Reset(all)
		if n, _ := r.Read(b); n != len(text) {
			t.Fatal(n)
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// FuzzReader: whatever comes and however it is cut, a server reads the same with a Reader, up
// to what it refuses; what is refused ends the connection.
func FuzzReader(f *testing.F) {
	f.Add([]byte(after+line+"Content-Length: 2\r\n\r\nab"+after), 7)
	f.Add([]byte(line+"Transfer-Encoding: chunked\r\n\r\n5;a\r\n12345\r\n0\r\nX-B: 1\r\n\r\n"+after), 1)
	f.Add([]byte(line+"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+after), 3)
	f.Add([]byte(line+"X-A: a\r\n b\r\n\r\n"+after), 100)
	f.Add([]byte("GET / HTTP/1.0\nHost: a\n\n"), 4)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		cut = 1 + max(cut, -cut, 0)%64
		want, _ := requests(bytes.NewReader(text))
		got, err := requests(framing.NewReader(&pieces{bytes.NewReader(text), cut}))
		if err == nil {
			t.Fatal("no end")
		}
		for i, one := range got {
			if i < len(want) && one == want[i] {
				continue
			}
			if i != len(got)-1 || err == io.EOF || i >= len(want) {
				t.Fatalf("%q in pieces of %d: got %q, %v; want a beginning of %q", text, cut, got, err, want)
			}
		}
		if len(got) < len(want) && err == io.EOF {
			t.Fatalf("%q in pieces of %d: got %q and the end, want %q or a refusal", text, cut, got, want)
		}
	})
}

// pieces are read a few bytes at a time.
type pieces struct {
	from io.Reader
	most int
}

func (p *pieces) Read(b []byte) (int, error) { return p.from.Read(b[:min(len(b), p.most)]) }

func BenchmarkReader(b *testing.B) {
	const text = "GET /reviews/7?user=a HTTP/1.1\r\nHost: reviews.example:9080\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n" +
		"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX-Request-Id: 0af7651916cd43dd8448eb211c80319c\r\nContent-Length: 100\r\n\r\n"
	all := []byte(text + strings.Repeat("x", 100))
	var from bytes.Reader
	into := make([]byte, 4096)
	r := framing.NewReader(&from)
	b.ReportAllocs()
	for b.Loop() {
		from.Reset(all)
		if n, _ := r.Read(into); n != len(all) {
			b.Fatal(n)
		}
	}
}

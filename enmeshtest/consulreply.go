// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ConsulReply says how an answer of a [Consul] differs from the honest one. The zero
// value is the honest one, given at once. All fields can be combined.
type ConsulReply struct {
	// Status replaces the status; 0 keeps it.
	Status int
	// Header replaces fields of the head, such as X-Consul-Index; an empty value removes
	// one.
	Header map[string]string
	// Body replaces the body; nil keeps it.
	Body []byte
	// Size replaces the body by a JSON list of about so many bytes, in one instance. It is
	// made while it is sent.
	Size int64
	// Gzip compresses the body. With Size it is a bomb, of 1000 to 1.
	Gzip bool
	// Block has the query wait as long as an honest one does. Otherwise it is answered at
	// once, also when it waits already.
	Block bool
	// Delay passes between the making of the answer and its sending, so that it says what
	// was true before.
	Delay time.Duration
	// Drip sends the body byte by byte, with so much time between them.
	Drip time.Duration
	// Cut breaks the connection after so many bytes of the body, and before the head when
	// it is negative. 0 does not.
	Cut int
	// Hang is silence until the client goes away: instead of the answer, or with Cut after
	// so many bytes of the body.
	Hang bool
}

// consulAnswer is an honest answer.
type consulAnswer struct {
	status int
	header http.Header
	body   []byte
}

func textAnswer(status int, text string) consulAnswer {
	return consulAnswer{
		status: status, header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, body: []byte(text + "\n"),
	}
}

func jsonAnswer(v any) consulAnswer {
	text, err := json.Marshal(v)
	if err != nil {
		return textAnswer(http.StatusInternalServerError, err.Error())
	}
	return consulAnswer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: text}
}

// send gives the answer as the reply has it; reply may be nil.
func (a consulAnswer) send(w http.ResponseWriter, r *http.Request, reply *ConsulReply) {
	if reply == nil {
		reply = &ConsulReply{}
	}
	if !pause(r, reply.Delay) {
		return
	}
	if reply.Hang && reply.Cut <= 0 {
		<-r.Context().Done()
		return
	}
	if reply.Cut < 0 {
		panic(http.ErrAbortHandler)
	}
	reply.edit(&a)
	for key, values := range a.header {
		w.Header()[key] = values
	}
	body, length := reply.content(a.body)
	if length >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	}
	if reply.Gzip {
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.WriteHeader(a.status)
	reply.stream(w, r, body)
}

// edit applies the fields about the head.
func (p *ConsulReply) edit(a *consulAnswer) {
	if p.Status != 0 {
		a.status = p.Status
	}
	for key, value := range p.Header {
		if value == "" {
			a.header.Del(key)
		} else {
			a.header.Set(key, value)
		}
	}
}

// content is the body to send and its length, or -1 where it is not known.
func (p *ConsulReply) content(honest []byte) (io.Reader, int64) {
	text := honest
	if p.Body != nil {
		text = p.Body
	}
	switch {
	case p.Size > 0 && p.Gzip:
		return bomb(p.Size), -1
	case p.Size > 0:
		return bigList(p.Size)
	case p.Gzip:
		return zip(bytes.NewReader(text)), -1
	}
	return bytes.NewReader(text), int64(len(text))
}

// A big list has one instance, whose node has a long name.
const (
	bigHead = `[{"Node":{"Node":"`
	bigTail = `"},"Service":{"ID":"big","Service":"big","Port":1},"Checks":[]}]`
)

func bigList(size int64) (io.Reader, int64) {
	fill := max(size-int64(len(bigHead)+len(bigTail)), 0)
	list := io.MultiReader(strings.NewReader(bigHead), io.LimitReader(letters{}, fill), strings.NewReader(bigTail))
	return list, int64(len(bigHead)+len(bigTail)) + fill
}

// bomb is a big list, compressed. The name is one MiB that has been compressed once, as
// often as it takes: a gzip file may have many members (RFC 1952, 2.2).
func bomb(size int64) io.Reader {
	const mib = 1 << 20
	var member bytes.Buffer
	_, _ = member.ReadFrom(zip(io.LimitReader(letters{}, mib))) // a Buffer does not fail
	parts := []io.Reader{zip(strings.NewReader(bigHead))}
	for ; size > mib; size -= mib {
		parts = append(parts, bytes.NewReader(member.Bytes()))
	}
	rest := max(size-int64(len(bigHead)+len(bigTail)), 0)
	return io.MultiReader(append(parts, zip(io.LimitReader(letters{}, rest)), zip(strings.NewReader(bigTail)))...)
}

// letters is an endless row of one letter.
type letters struct{}

// Read fills the beginning of p.
func (letters) Read(p []byte) (int, error) { return copy(p, manyLetters), nil }

var manyLetters = strings.Repeat("a", 32<<10)

// zip compresses all of body.
func zip(body io.Reader) io.Reader {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = io.Copy(z, body) // neither end fails
	_ = z.Close()
	return &out
}

// stream sends the body, by bytes where it drips, up to the cut.
func (p *ConsulReply) stream(w http.ResponseWriter, r *http.Request, body io.Reader) {
	if p.Cut > 0 {
		body = io.LimitReader(body, int64(p.Cut))
	}
	if p.Drip > 0 {
		drip(w, r, body, p.Drip)
	} else {
		_, _ = io.Copy(w, body) // the client may have gone
	}
	if p.Cut == 0 {
		return
	}
	_ = http.NewResponseController(w).Flush() // likewise
	if p.Hang {
		<-r.Context().Done()
	}
	panic(http.ErrAbortHandler)
}

func drip(w http.ResponseWriter, r *http.Request, body io.Reader, every time.Duration) {
	flush := http.NewResponseController(w).Flush
	one := make([]byte, 1)
	for first := true; ; first = false {
		if n, _ := body.Read(one); n == 0 || !first && !pause(r, every) {
			return
		}
		if _, err := w.Write(one); err != nil || flush() != nil {
			return
		}
	}
}

// pause waits; it is false when the client has gone.
func pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

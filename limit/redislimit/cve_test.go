// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh/limit/redislimit"
)

// withholder is a server that answers CLIENT SETINFO only when the next command has come
// over the same connection, on the first connection.
type withholder struct {
	net.Listener
	conns    atomic.Int64
	withheld atomic.Int64
}

// run serves until the listener is closed.
func (s *withholder) run() {
	for {
		conn, err := s.Accept()
		if err != nil {
			return
		}
		go s.serve(conn, s.conns.Add(1) == 1)
	}
}

func (s *withholder) serve(conn net.Conn, late bool) {
	defer conn.Close()
	owed, r := "", bufio.NewReader(conn)
	for {
		words, err := received(r)
		if err != nil {
			return
		}
		answer := "+OK\r\n"
		switch {
		case words[0] == "hello":
			answer = "-ERR unknown command\r\n"
		case words[0] == "get":
			answer = "$5\r\nright\r\n"
		case late && words[0] == "client" && words[1] == "setinfo":
			s.withheld.Add(1)
			owed += answer
			continue
		}
		if _, err := io.WriteString(conn, owed+answer); err != nil {
			return
		}
		owed = ""
	}
}

// received reads one command, in small letters.
func received(r *bufio.Reader) ([]string, error) {
	n, err := number(r, '*')
	words := make([]string, max(n, 2))
	for i := 0; i < n && err == nil; i++ {
		var size int
		if size, err = number(r, '$'); err != nil {
			break
		}
		word := make([]byte, size+len("\r\n"))
		_, err = io.ReadFull(r, word)
		words[i] = strings.ToLower(string(word[:size]))
	}
	return words, err
}

// number reads a line that is a number behind a mark.
func number(r *bufio.Reader, mark byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != mark {
		return 0, fmt.Errorf("got %q, want %c and a number", line, mark)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

// CVE-2025-29923: go-redis went on with a connection on which CLIENT SETINFO had timed out,
// and took its late answer for that to the next command, and so on. Versions from 9.7.3 on
// throw the connection away.
func TestCVE_2025_29923_lateAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &withholder{Listener: l}
	ended := make(chan struct{})
	go func() { defer close(ended); server.run() }()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	client, err := redislimit.Connect(redislimit.Servers{Addrs: []string{l.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	for range 5 {
		if got, err := client.Get(t.Context(), "key").Result(); got != "right" && err == nil {
			t.Errorf("got %q, the answer to another command", got)
		}
	}
	if got, err := client.Get(t.Context(), "key").Result(); got != "right" {
		t.Errorf("on a later connection: got %q, %v", got, err)
	}
	if server.withheld.Load() == 0 {
		t.Error("the client has sent no CLIENT SETINFO: nothing was tried")
	}
}

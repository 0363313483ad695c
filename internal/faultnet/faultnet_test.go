// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package faultnet_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/faultnet"
)

// echo answers everything with itself.
func echo(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	t.Cleanup(func() { _ = lis.Close(); <-done })
	return lis.Addr().String()
}

func TestLink_freezesAndThaws(t *testing.T) {
	l := faultnet.NewLink(t, echo(t))
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ask := func() error {
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	l.Freeze()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := ask(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("frozen: got %v, want silence", err)
	}
	l.Thaw()
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Errorf("thawed: what was sent before did not arrive: %v", err)
	}
	if got := l.Made(); got != 1 {
		t.Errorf("connections: got %d, want 1", got)
	}
	l.Cut()
	if err := ask(); err == nil {
		t.Error("cut: got an answer")
	}
}

func TestBlackhole_lastsUntilTheDeadline(t *testing.T) {
	_, err := net.DialTimeout("tcp", faultnet.Blackhole(t), 50*time.Millisecond)
	var slow net.Error
	if !errors.As(err, &slow) || !slow.Timeout() {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestSeverable_acknowledgesNothing(t *testing.T) {
	s := faultnet.NewSeverable(t)
	conns := make(chan net.Conn, 8)
	go func() {
		defer close(conns)
		for {
			c, err := s.Accept()
			if err != nil {
				return
			}
			conns <- c
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	defer func() {
		_ = s.Close()
		for c := range conns { // they hear of no end
			_ = c.Close()
		}
	}()
	dial := func() *net.TCPConn {
		t.Helper()
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c.(*net.TCPConn)
	}
	ask := func(c *net.TCPConn) error {
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	c := dial()
	defer func() { _ = c.Close() }()
	if err := ask(c); err != nil {
		t.Fatal(err)
	}
	s.Sever(t)
	err := c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("got %v, want that nobody answered TCP's probes", err)
	}
	d := dial()
	defer func() { _ = d.Close() }()
	if err := ask(d); err != nil {
		t.Errorf("a connection that was made after: %v", err)
	}
}

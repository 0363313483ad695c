// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package faultnet_test

import (
	"errors"
	"io"
	"net"
	"os"
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

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package tlslive_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/internal/tlslive"
)

// open reports whether the far side of a pipe is open.
func open(far net.Conn) bool {
	_ = far.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := far.Read(make([]byte, 1))
	return !errors.Is(err, io.EOF)
}

func TestSet_closesWhatNoLongerPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		set := tlslive.Set{Closed: func(_ net.Addr, err error) { told = append(told, err) }}
		near, far := net.Pipe()
		other, otherFar := net.Pipe()
		defer func() { _ = otherFar.Close() }()
		withdrawn := errors.New("withdrawn")
		var bad atomic.Bool
		conn := set.Wrap(near)
		conn.Keep(func() error {
			if bad.Load() {
				return withdrawn
			}
			return nil
		})
		stays := set.Wrap(other)
		stays.Keep(func() error { return nil })
		time.Sleep(time.Minute)
		if !open(far) || set.Len() != 2 {
			t.Fatalf("closed while it passed; %d are kept", set.Len())
		}
		bad.Store(true)
		time.Sleep(tlslive.Every)
		synctest.Wait()
		if open(far) || !open(otherFar) || set.Len() != 1 {
			t.Errorf("open %t and %t, %d are kept; want the first closed", open(far), open(otherFar), set.Len())
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, withdrawn) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: %v, want the reason", err)
		}
		if _, err := conn.Write(make([]byte, 1)); !errors.Is(err, withdrawn) {
			t.Errorf("Write: %v, want the reason", err)
		}
		if len(told) != 1 || !errors.Is(told[0], withdrawn) {
			t.Errorf("told %v", told)
		}
		_ = conn.Close() // once more is no harm
		_ = stays.Close()
		if set.Len() != 0 {
			t.Errorf("%d are kept, want none", set.Len())
		}
	})
}

func TestSet_checksOnlyWhatIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set tlslive.Set
		near, far := net.Pipe()
		defer func() { _ = far.Close() }()
		checked := 0
		conn := set.Wrap(near)
		conn.Keep(func() error { checked++; return nil })
		conn.Keep(func() error { checked++; return nil }) // replaces
		time.Sleep(tlslive.Every + time.Second)
		synctest.Wait()
		if checked != 1 {
			t.Errorf("checked %d times, want once", checked)
		}
		_ = conn.Close()
		time.Sleep(time.Hour)
		if checked != 1 {
			t.Errorf("checked %d times, the last after its end", checked)
		}
		conn.Keep(func() error { return nil })
		if set.Len() != 0 {
			t.Error("a closed connection is kept")
		}
		again, againFar := net.Pipe()
		defer func() { _ = againFar.Close() }()
		later := set.Wrap(again) // the timer begins anew
		later.Keep(func() error { return errors.New("no") })
		time.Sleep(tlslive.Every)
		synctest.Wait()
		if open(againFar) {
			t.Error("the set does not check any more")
		}
	})
}

func TestSet_forgetsWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set tlslive.Set
		near, far := net.Pipe()
		defer func() { _ = far.Close() }()
		var alive atomic.Bool
		alive.Store(true)
		set.KeepWhile(alive.Load, near, func() error { return nil })
		time.Sleep(time.Minute)
		if set.Len() != 1 {
			t.Fatal("forgotten while alive")
		}
		alive.Store(false)
		time.Sleep(tlslive.Every)
		synctest.Wait()
		if set.Len() != 0 || !open(far) {
			t.Errorf("%d are kept; a connection that is forgotten must not be touched", set.Len())
		}
	})
}

func TestConn_ReadFrom(t *testing.T) {
	var set tlslive.Set
	near, far := net.Pipe()
	conn := set.Wrap(near)
	got := make(chan string)
	go func() {
		all, _ := io.ReadAll(far)
		got <- string(all)
	}()
	if n, err := conn.ReadFrom(strings.NewReader("text")); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	_ = conn.Close()
	if all := <-got; all != "text" {
		t.Errorf("got %q", all)
	}
}

func TestUse(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct {
		random   float64
		ends     []time.Time
		min, max time.Duration
	}{
		"no end":          {0, nil, tlslive.Oldest, tlslive.Oldest},
		"unknown ends":    {0, []time.Time{{}, {}}, tlslive.Oldest, tlslive.Oldest},
		"sooner":          {0.5, nil, tlslive.Oldest * 8 / 10, tlslive.Oldest * 8 / 10},
		"soonest":         {0.999, nil, tlslive.Oldest * 6 / 10, tlslive.Oldest * 61 / 100},
		"the earlier end": {0, []time.Time{now.Add(time.Hour), now.Add(10 * time.Minute)}, 8 * time.Minute, 8 * time.Minute},
		"before its end":  {0.999, []time.Time{now.Add(10 * time.Minute)}, 48 * time.Minute / 10, 5 * time.Minute},
		"over":            {0.5, []time.Time{now.Add(-time.Hour)}, 1, 1},
	} {
		if got := tlslive.Use(now, tt.random, tt.ends...); got < tt.min || got > tt.max {
			t.Errorf("%s: %v, want %v to %v", name, got, tt.min, tt.max)
		}
	}
}

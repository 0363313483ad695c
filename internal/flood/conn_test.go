// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package flood_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/enmesh-go/enmesh/internal/flood"
)

// rig is a guarded connection whose server does nothing by itself.
type rig struct {
	client  net.Conn
	frames  *http2.Framer // the client's
	server  net.Conn      // guarded
	answers *http2.Framer // the server's
	told    []string
	read    chan error // what the server's reader ended with
}

const (
	rate  = 100
	burst = 200
)

// newRig is for use in a bubble.
func newRig(t *testing.T, reads bool) *rig {
	t.Helper()
	a, b := net.Pipe()
	r := &rig{client: a, read: make(chan error, 1)}
	r.server = flood.Guard(b, flood.Config{
		Rate: flood.Rate{PerSecond: rate, Burst: burst}, Preface: true,
		Told: func(_ net.Conn, what string) { r.told = append(r.told, what) },
	})
	r.frames, r.answers = http2.NewFramer(a, a), http2.NewFramer(r.server, b)
	go func() {
		_, err := io.Copy(io.Discard, r.server)
		_ = r.server.Close()
		r.read <- err
	}()
	if reads {
		go func() { _, _ = io.Copy(io.Discard, a) }()
	}
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	if _, err := io.WriteString(a, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	return r
}

// send sends a frame so many times, and says how many went.
func (r *rig) send(n int, frame func(i int) error) int {
	for i := range n {
		if frame(i) != nil {
			return i
		}
	}
	return n
}

var floods = map[string]struct {
	frame func(f *http2.Framer) func(i int) error
	what  string
}{
	"RST_STREAM": {func(f *http2.Framer) func(int) error {
		return func(i int) error { return f.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel) }
	}, "RST_STREAM frames"},
	"PING": {func(f *http2.Framer) func(int) error {
		return func(int) error { return f.WritePing(false, [8]byte{}) }
	}, "PING frames"},
	"PING of no answer": {func(f *http2.Framer) func(int) error {
		return func(int) error { return f.WritePing(true, [8]byte{}) }
	}, "PING frames"},
	"SETTINGS": {func(f *http2.Framer) func(int) error {
		return func(int) error { return f.WriteSettings() }
	}, "SETTINGS frames"},
	"SETTINGS of no answer": {func(f *http2.Framer) func(int) error {
		return func(int) error { return f.WriteSettingsAck() }
	}, "SETTINGS frames"},
	"WINDOW_UPDATE": {func(f *http2.Framer) func(int) error {
		return func(int) error { return f.WriteWindowUpdate(0, 1) }
	}, "WINDOW_UPDATE frames"},
	"empty DATA": {func(f *http2.Framer) func(int) error {
		return func(int) error { return f.WriteData(1, false, nil) }
	}, "tiny DATA frames"},
	"DATA of one byte": {func(f *http2.Framer) func(int) error {
		return func(int) error { return f.WriteData(1, false, []byte{0}) }
	}, "tiny DATA frames"},
	"DATA of padding": {func(f *http2.Framer) func(int) error {
		return func(int) error { return f.WriteDataPadded(1, false, []byte{0}, make([]byte, 200)) }
	}, "tiny DATA frames"},
	"PRIORITY": {func(f *http2.Framer) func(int) error {
		return func(int) error { return f.WritePriority(1, http2.PriorityParam{Weight: 3}) }
	}, "frames of no use"},
	"unknown": {func(f *http2.Framer) func(int) error {
		return func(int) error { return f.WriteRawFrame(0x77, 0, 0, []byte("?")) }
	}, "frames of no use"},
}

func TestConn_endsFloods(t *testing.T) {
	for name, tt := range floods {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, false)
				goaway := make(chan *http2.GoAwayFrame, 1)
				go func() {
					defer close(goaway)
					for {
						f, err := r.frames.ReadFrame()
						if err != nil {
							return
						}
						if f, ok := f.(*http2.GoAwayFrame); ok {
							goaway <- f
						}
					}
				}()
				began := time.Now()
				n := r.send(100000, tt.frame(r.frames))
				if f := <-goaway; f == nil || f.ErrCode != http2.ErrCodeEnhanceYourCalm {
					t.Errorf("got %v, want GOAWAY with ENHANCE_YOUR_CALM", f)
				}
				if took := time.Since(began); n == 100000 || took > time.Second {
					t.Errorf("ended after %d frames and %v, want within a second", n, took)
				}
				if err := <-r.read; !errors.Is(err, flood.ErrFlood) {
					t.Errorf("the server reads %v, want %v", err, flood.ErrFlood)
				}
				if len(r.told) != 1 || r.told[0] != tt.what {
					t.Errorf("told %q, want %q once", r.told, tt.what)
				}
			})
		})
	}
}

func TestConn_endsHeadersWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, true)
		if err := r.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1}); err != nil {
			t.Fatal(err)
		}
		n := r.send(1000, func(int) error {
			time.Sleep(time.Second)
			return r.frames.WriteContinuation(1, false, []byte{0})
		})
		if n > 70 {
			t.Errorf("ended after %d CONTINUATION frames in a row, want some 64", n)
		}
		<-r.read
	})
}

// TestConn_endsResetsByTheServer is CVE-2025-8671, MadeYouReset: the client has the server
// reset its streams.
func TestConn_endsResetsByTheServer(t *testing.T) {
	for code, blamed := range map[http2.ErrCode]bool{
		http2.ErrCodeProtocol: true, http2.ErrCodeStreamClosed: true, http2.ErrCodeFlowControl: true, http2.ErrCodeRefusedStream: true,
		http2.ErrCodeNo: false, http2.ErrCodeCancel: false, http2.ErrCodeInternal: false,
	} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, true)
				n := r.send(1000, func(i int) error { return r.answers.WriteRSTStream(uint32(2*i+1), code) })
				if ended := n < 1000; ended != blamed {
					t.Errorf("ended: %v after %d, want %v", ended, n, blamed)
				}
				_ = r.server.Close()
				<-r.read
			})
		})
	}
}

// TestConn_letsWork: what clients do in earnest, without time passing.
func TestConn_letsWork(t *testing.T) {
	headers := func(id int, end bool) http2.HeadersFrameParam {
		return http2.HeadersFrameParam{StreamID: uint32(id), EndHeaders: true, EndStream: end, BlockFragment: []byte{0x82}}
	}
	for name, do := range map[string]func(r *rig, i int) error{
		"calls, one in five cancelled": func(r *rig, i int) error {
			id := 2*i + 1
			if err := r.frames.WriteHeaders(headers(id, true)); err != nil {
				return err
			}
			if i%5 == 0 {
				return r.frames.WriteRSTStream(uint32(id), http2.ErrCodeCancel)
			}
			return r.answers.WriteHeaders(headers(id, true))
		},
		"a download": func(r *rig, i int) error {
			return errors.Join(r.answers.WriteData(1, false, make([]byte, 1000)),
				r.frames.WriteWindowUpdate(1, 1000), r.frames.WriteWindowUpdate(0, 1000), r.frames.WritePing(false, [8]byte{}))
		},
		"an upload": func(r *rig, i int) error {
			return errors.Join(r.frames.WriteData(1, false, make([]byte, 5)), r.answers.WriteWindowUpdate(1, 5),
				r.answers.WritePing(false, [8]byte{}), r.frames.WritePing(true, [8]byte{}))
		},
		"calls with a body of one byte": func(r *rig, i int) error {
			id := 2*i + 1
			return errors.Join(r.frames.WriteHeaders(headers(id, false)), r.frames.WriteData(uint32(id), true, []byte{1}),
				r.answers.WriteHeaders(headers(id, true)))
		},
		"a ping every 10 ms": func(r *rig, i int) error {
			time.Sleep(10 * time.Millisecond)
			return r.frames.WritePing(false, [8]byte{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, true)
				if n := r.send(20*burst, func(i int) error { return do(r, i) }); n < 20*burst {
					t.Errorf("ended after %d", n)
				}
				_ = r.server.Close()
				<-r.read
				if len(r.told) != 0 {
					t.Errorf("told %q", r.told)
				}
			})
		})
	}
}

// TestConn_endsBesideAStuckWriter: a client that floods and does not read has the writer
// stuck within a frame, where no GOAWAY may stand.
func TestConn_endsBesideAStuckWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		wrote := make(chan error, 1)
		go func() { wrote <- r.answers.WriteData(1, false, make([]byte, 1000)) }()
		synctest.Wait()
		began := time.Now()
		r.send(10*burst, func(int) error { return r.frames.WriteSettings() })
		if err := <-r.read; !errors.Is(err, flood.ErrFlood) {
			t.Errorf("the server reads %v, want %v", err, flood.ErrFlood)
		}
		if err := <-wrote; err == nil {
			t.Error("the stuck write went through")
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("ended after %v, want within a second", took)
		}
		if _, err := r.server.Write([]byte{0}); !errors.Is(err, flood.ErrFlood) {
			t.Errorf("a write afterwards: got %v, want %v", err, flood.ErrFlood)
		}
		if err := r.server.SetDeadline(time.Time{}); err == nil {
			t.Error("the deadline of a condemned connection was taken off")
		}
	})
}

// TestConn_isSecureWhereItsConnectionIs: servers of HTTP/2 tell TLS by ConnectionState.
func TestConn_isSecureWhereItsConnectionIs(t *testing.T) {
	type stater interface{ ConnectionState() tls.ConnectionState }
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, ok := flood.Guard(a, flood.Config{}).(stater); ok {
		t.Error("a plain connection has a ConnectionState")
	}
	if _, ok := flood.Guard(tls.Server(b, &tls.Config{}), flood.Config{}).(stater); !ok {
		t.Error("a connection over TLS has no ConnectionState")
	}
}

func TestConn_allocatesNothing(t *testing.T) {
	text := []byte(strings.Repeat("\x00\x00\x05\x00\x00\x00\x00\x00\x01hello\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x01", 10))
	c := flood.Guard(endless(text), flood.Config{Rate: flood.Rate{PerSecond: 1000, Burst: 1000}})
	buf := make([]byte, len(text))
	if n := testing.AllocsPerRun(100, func() {
		_, _ = c.Read(buf)
		_, _ = c.Write(text)
	}); n != 0 {
		t.Errorf("%v allocations for 40 frames, want none", n)
	}
}

func BenchmarkConn(b *testing.B) {
	var block strings.Builder
	f := http2.NewFramer(&block, nil)
	for i := range 10 {
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), EndHeaders: true, BlockFragment: make([]byte, 60)})
		_ = f.WriteData(uint32(2*i+1), true, make([]byte, 100))
	}
	text := []byte(block.String())
	c := flood.Guard(endless(text), flood.Config{Rate: flood.Rate{PerSecond: 1000, Burst: 1000}})
	buf := make([]byte, len(text))
	b.ReportAllocs()
	b.SetBytes(int64(2 * len(text)))
	for b.Loop() {
		_, _ = c.Read(buf)
		_, _ = c.Write(text)
	}
}

// endless is a connection that reads the same again and again.
func endless(text []byte) net.Conn { return &repeat{text: text} }

type repeat struct {
	net.Conn
	text []byte
}

func (r *repeat) Read(p []byte) (int, error)  { return copy(p, r.text), nil }
func (r *repeat) Write(p []byte) (int, error) { return len(p), nil }

// A client that sends cheap frames as fast as they are taken has to wait from a sixteenth of the
// burst on, and is at its end in 0.7 s: meanwhile others have the processors. Who
// stays below never waits.
func TestGuard_slowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, true)
		began := time.Now()
		reset := func(i int) error { return r.frames.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel) }
		if n := r.send(burst/16, reset); n != burst/16 || time.Since(began) != 0 {
			t.Errorf("%d of the first %d frames took %v, want no time", n, burst/16, time.Since(began))
		}
		const enough = 100_000
		n := r.send(enough, reset)
		if took := time.Since(began); n < burst/2 || n == enough || took < 600*time.Millisecond || took > 800*time.Millisecond {
			t.Errorf("%d frames were sent in %v, want the end in about 700ms", n, took)
		}
		if err := <-r.read; !errors.Is(err, flood.ErrFlood) || len(r.told) != 1 {
			t.Errorf("the server's reader ended with %v, and the hook was told %q", err, r.told)
		}
	})
}

// However much comes at once, the server gets as much of it as raises doubts, and the rest in
// time, and whole.
func TestGuard_holdsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent bytes.Buffer
		frames := http2.NewFramer(&sent, nil)
		for i := range burst / 2 {
			_ = frames.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel)
		}
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		server := flood.Guard(b, flood.Config{Rate: flood.Rate{PerSecond: rate, Burst: burst}})
		go func() { _, _ = a.Write(sent.Bytes()); _ = a.Close() }()
		began, buf := time.Now(), make([]byte, sent.Len())
		n, err := server.Read(buf)
		if size := sent.Len() / (burst / 2); n != (burst/16+1)*size || err != nil || time.Since(began) != 0 {
			t.Errorf("at first %d bytes of %d, %v, after %v, want those of %d frames at once", n, sent.Len(), err, time.Since(began), burst/16+1)
		}
		rest, err := io.ReadAll(server)
		if got := slices.Concat(buf[:n], rest); err != nil || !bytes.Equal(got, sent.Bytes()) {
			t.Errorf("got %d bytes and %v, want the %d that were sent", len(got), err, sent.Len())
		}
		if took := time.Since(began); took < 200*time.Millisecond || took > 300*time.Millisecond {
			t.Errorf("all took %v, want 240ms: %d frames at 366 a second", took, burst/2-burst/16)
		}
	})
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"

	"github.com/enmesh-go/enmesh/meshgrpc"
)

// conversation is frames, and where each of them ends.
func conversation(t testing.TB, write func(fr *http2.Framer)) []byte {
	t.Helper()
	var b bytes.Buffer
	write(http2.NewFramer(&b, nil))
	return b.Bytes()
}

func TestFrames_leaveRoomBetweenThem(t *testing.T) {
	settings := conversation(t, func(fr *http2.Framer) { _ = fr.WriteSettings() })
	data := conversation(t, func(fr *http2.Framer) { _ = fr.WriteData(1, false, make([]byte, 300)) })
	open := conversation(t, func(fr *http2.Framer) {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("abc")})
	})
	rest := conversation(t, func(fr *http2.Framer) { _ = fr.WriteContinuation(1, true, []byte("def")) })
	preface := []byte(http2.ClientPreface)
	for name, tt := range map[string]struct {
		preface int
		pieces  [][]byte
		want    []bool
	}{
		"nothing yet of a server":   {0, [][]byte{nil}, []bool{true}},
		"nothing yet of a client":   {len(preface), [][]byte{nil}, []bool{false}},
		"half a preface":            {len(preface), [][]byte{preface[:10], preface[10:]}, []bool{false, true}},
		"preface and settings":      {len(preface), [][]byte{append(preface[:len(preface):len(preface)], settings...)}, []bool{true}},
		"half a head":               {0, [][]byte{data[:4], data[4:]}, []bool{false, true}},
		"a head alone":              {0, [][]byte{data[:9], data[9:]}, []bool{false, true}},
		"half a payload":            {0, [][]byte{data[:50], data[50:]}, []bool{false, true}},
		"headers that go on":        {0, [][]byte{open, rest}, []bool{false, true}},
		"headers that go on, apart": {0, [][]byte{open, rest[:10], rest[10:], settings}, []bool{false, false, true, true}},
	} {
		got := meshgrpc.FollowFrames(tt.preface, tt.pieces...)
		for i := range tt.want {
			if got[i] != tt.want[i] {
				t.Errorf("%s: after piece %d: got room %v, want %v", name, i, got[i], tt.want[i])
			}
		}
	}
}

// FuzzFrames: whatever the pieces, the verdict at the end is that of the whole.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x02\x00\x00\x00\x00\x00\x01ab\x00\x00\x00\x04\x00\x00\x00\x00\x00"), uint8(3))
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x00\x01"), uint8(1))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		whole := meshgrpc.FollowFrames(0, text)
		step := max(int(size), 1)
		pieces := [][]byte{nil}
		for rest := text; len(rest) > 0; {
			n := min(step, len(rest))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		cut := meshgrpc.FollowFrames(0, pieces...)
		if got, want := cut[len(cut)-1], whole[0]; got != want {
			t.Errorf("in pieces of %d: got room %v, want %v", step, got, want)
		}
	})
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package flood

import (
	"bytes"
	"slices"
	"testing"

	"golang.org/x/net/http2"
)

// heads are the frames that a scanner finds in p, cut in pieces of so many bytes.
func heads(p []byte, piece int) (all []frame, end scanner) {
	var s scanner
	for chunk := range slices.Chunk(p, piece) {
		var f frame
		var ok bool
		for {
			if chunk, ok = s.next(chunk, &f); !ok {
				break
			}
			all = append(all, f)
		}
	}
	return all, s
}

// FuzzFrames holds the scanner against golang.org/x/net's framer, wherever the pieces end.
func FuzzFrames(f *testing.F) {
	var b bytes.Buffer
	fr := http2.NewFramer(&b, nil)
	_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
	_ = fr.WriteContinuation(1, true, []byte{0x84})
	_ = fr.WriteDataPadded(1, false, []byte("x"), make([]byte, 7))
	_ = fr.WriteWindowUpdate(1, 7)
	_ = fr.WriteRSTStream(1, http2.ErrCodeCancel)
	f.Add(b.Bytes(), 1)
	f.Fuzz(func(t *testing.T, p []byte, piece int) {
		if piece < 1 || piece > 64 {
			t.Skip()
		}
		whole, end := heads(p, len(p)+1)
		pieces, endPieces := heads(p, piece)
		if !slices.Equal(whole, pieces) || end.between() != endPieces.between() {
			t.Fatalf("whole: %v, %v; in pieces of %d: %v, %v", whole, end.between(), piece, pieces, endPieces.between())
		}
		fr := http2.NewFramer(nil, bytes.NewReader(p))
		fr.AllowIllegalReads = true
		fr.SetMaxReadFrameSize(1<<24 - 1)
		for _, got := range whole {
			want, err := fr.ReadFrameHeader()
			if err != nil {
				return // it reads only whole frames
			}
			if got.length != int(want.Length) || got.kind != byte(want.Type) || got.flags != byte(want.Flags) || got.stream != want.StreamID {
				t.Fatalf("got %+v, want %v", got, want)
			}
			if _, err := fr.ReadFrameForHeader(want); err != nil && !skips(err) {
				return
			}
		}
	})
}

// skips reports whether a framer that failed has read the frame.
func skips(err error) bool {
	switch err.(type) { //nolint:errorlint // they come as they are
	case http2.ConnectionError, http2.StreamError:
		return true
	}
	return false
}

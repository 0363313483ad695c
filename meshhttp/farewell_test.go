// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
)

// TestFarewell_isBelievedByItsRecord: what an endpoint says of its end counts for as long
// as its past words were worth. The steps are told at seconds from the start.
func TestFarewell_isBelievedByItsRecord(t *testing.T) {
	type said struct {
		at   int
		word word // stays: an answer whose connection is kept
		want time.Duration
	}
	const second = time.Second
	for _, tt := range []struct {
		name  string
		steps []said
	}{
		{"said by many answers, heard once", []said{{0, closes, 30 * second}, {1, closes, 0}, {29, leaves, 0}}},
		{"never keeps a connection", []said{{0, closes, 30 * second}, {40, closes, 0}, {500, closes, 0}}},
		{"closes now and then", []said{
			{0, closes, 30 * second}, {31, stays, 0}, {32, closes, 3750 * time.Millisecond}, {40, stays, 0}, {41, closes, 3 * second},
			{50, stays, 0}, {51, closes, 3 * second},
		}},
		{"closes seldom", []said{{0, closes, 30 * second}, {31, stays, 0}, {61, closes, 30 * second}}},
		{"ends again and again at one address", []said{
			{0, leaves, 30 * second}, {31, stays, 0}, {32, leaves, 30 * second}, {63, leaves, 30 * second}, {94, leaves, 30 * second},
		}},
		{"never keeps a connection, and then ends", []said{{0, closes, 30 * second}, {40, closes, 0}, {41, leaves, 30 * second}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f farewell
			start := enmesh.Now()
			for _, s := range tt.steps {
				if s.word == stays {
					f.closes.Store(false)
					continue
				}
				if got := f.believe(s.word, start.Add(time.Duration(s.at)*second)); got != s.want {
					t.Errorf("after %d s: believed for %v, want %v", s.at, got, s.want)
				}
			}
		})
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import "google.golang.org/grpc/codes"

// order is a line to a program under test.
type order struct {
	ID      int               `json:"id"`
	Do      string            `json:"do"`
	Channel string            `json:"channel,omitempty"`
	Target  string            `json:"target,omitempty"`
	Secure  bool              `json:"secure,omitempty"` // credentials as xDS says
	Method  string            `json:"method,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	N       int               `json:"n,omitempty"`        // calls; 0: one
	At      int               `json:"parallel,omitempty"` // at once; 0: one
	Timeout int               `json:"timeoutMS,omitempty"`
	Every   int               `json:"everyMS,omitempty"`
	Bytes   int               `json:"bytes,omitempty"` // of the message
	Sizes   []int             `json:"sizes,omitempty"` // of the messages of a stream
	Name    string            `json:"name,omitempty"`  // of a server
}

// answer is a line from it.
type answer struct {
	ID    int    `json:"id"`
	Error string `json:"error,omitempty"` // the order could not be followed
	Addr  string `json:"addr,omitempty"`
	Sizes []int  `json:"sizes,omitempty"`
	Calls []end  `json:"calls,omitempty"`
}

// end is how a call ended.
type end struct {
	Code  codes.Code `json:"code"`
	Text  string     `json:"text,omitempty"`
	Who   string     `json:"who,omitempty"` // answered, by the header of that name
	MS    int        `json:"ms,omitempty"`
	Bytes int        `json:"bytes,omitempty"`
}

// raw is a codec that leaves bytes as they are.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)   { return *v.(*[]byte), nil }
func (raw) Unmarshal(b []byte, v any) error { *v.(*[]byte) = append([]byte{}, b...); return nil }
func (raw) Name() string                    { return "raw" }

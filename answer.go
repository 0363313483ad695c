// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import "errors"

// Answer is what came back, as far as a policy may see and edit it. Below a retry
// it is the present attempt's.
type Answer struct {
	Status  int    // HTTP status; gRPC: 200 once an answer came; 0: none came
	Header  Header // nil: none came; on a server it is there from the start, and what is added before the answer goes out with it; OnHead has the last word
	Trailer Header // gRPC: after a unary answer, or in a hook; else nil
}

// Reply is an answer that a policy makes up: a redirect, a direct response, a
// fallback, an injected fault. An adapter hands it out as if the far side had sent
// it. In gRPC, which has no place for it, the status alone counts, but for a message
// to the caller of a unary call (see [MessageType]).
type Reply struct {
	Status int                 // HTTP status, 200 to 599
	Header map[string][]string // canonical keys; may be nil
	Body   []byte              // may be nil; not written again
}

// SetReply makes r the answer of the call and returns e, so that a policy ends
// with `return c.SetReply(r, e)`. e says what the reply means inside the chain: nil
// for success, else an error that should carry r's status. The reply is handed out
// only if the chain's final error is e.
func (c *Call) SetReply(r *Reply, e *Error) error {
	seldom := c.seldom()
	seldom.reply, seldom.replyErr = r, e
	c.Answer = Answer{Status: r.Status}
	if e == nil {
		return nil
	}
	return e
}

// ReplyFor is for adapters: the made-up answer that belongs to err, the chain's
// final error, or nil when there is none.
func (c *Call) ReplyFor(err error) *Reply {
	held := c.rare
	switch {
	case held == nil || held.reply == nil:
		return nil
	case held.replyErr == nil && err == nil:
		return held.reply
	case held.replyErr != nil && errors.Is(err, held.replyErr):
		return held.reply
	}
	return nil
}

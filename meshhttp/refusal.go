// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// maxRefusal bounds the text of a refusal, in bytes.
const maxRefusal = 256

// writeReply writes an answer that a policy made up, and returns how long its body is. edit
// edits the head in the end; nil: nothing does.
func writeReply(w http.ResponseWriter, r *enmesh.Reply, edit func(enmesh.Header)) int {
	h := w.Header()
	for k, v := range r.Header {
		h[http.CanonicalHeaderKey(k)] = v
	}
	if len(r.Body) > 0 && h["Content-Length"] == nil {
		h.Set("Content-Length", strconv.Itoa(len(r.Body)))
	}
	if edit != nil {
		edit(answerHeader(h))
	}
	w.WriteHeader(r.Status)
	if len(r.Body) == 0 {
		return 0
	}
	n, _ := w.Write(r.Body) // the caller may be gone; there is nobody to tell
	return n
}

// writeRefusal answers with err's status and a line of text, and returns the
// status and how long the text is. edit is as for writeReply.
func writeRefusal(w http.ResponseWriter, err error, edit func(enmesh.Header)) (status, n int) {
	status = statusOf(err)
	h := w.Header()
	e := enmesh.ErrorOf(err)
	switch {
	case e == nil:
	case e.RetryAfter > 0:
		h.Set("Retry-After", formatRetryAfter(e.RetryAfter))
	case e.RetryAfter < 0:
		h.Set(RetryHeader, retryNever)
	}
	text := refusalText(e, status)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if edit != nil {
		edit(answerHeader(h))
	}
	w.WriteHeader(status)
	n, _ = w.Write([]byte(text)) // the caller may be gone; there is nobody to tell
	return status, n
}

// statusOf is the HTTP status that answers err.
func statusOf(err error) int {
	if e := enmesh.ErrorOf(err); e != nil && e.Status >= 200 && e.Status <= 599 {
		return e.Status
	}
	return enmesh.StatusOfCode(enmesh.CodeOf(err))
}

// refusalText is "policy: cause", on one line. What no policy said, and whatever
// broke inside, is only named by its status: its text may hold what a caller must
// not see.
func refusalText(e *enmesh.Error, status int) string {
	if e == nil || e.Policy == "" || e.Err == nil || e.Code == enmesh.Internal {
		text := http.StatusText(status)
		if text == "" {
			text = "status " + strconv.Itoa(status)
		}
		return text + "\n"
	}
	text := e.Err.Error()
	if !strings.HasPrefix(text, e.Policy+":") {
		text = e.Policy + ": " + text
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxRefusal {
		text = strings.ToValidUTF8(text[:maxRefusal], "")
	}
	return text + "\n"
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// maxText bounds what is read and kept of a client's reason, in bytes.
const maxText = 8 << 10

// accept notes that the client took what was sent.
func (u *subscription) accept(out *flight, now time.Time) {
	for _, n := range out.news {
		n.e.take(n.h, now)
	}
}

func (e *entry) take(h *held, now time.Time) {
	if e.is&gone == 0 && e.acked().ver() != h.version {
		if odd := e.odd; odd != nil { // it may have been asked for again, and taken this time
			odd.rejected = slices.DeleteFunc(odd.rejected, func(r rejection) bool { return r.version == h.version })
		}
		e.setAcked(h)
		e.turn(now)
	}
}

// reject notes that the client refused what was sent, and returns the entries
// that it refused. Clients use the good resources of a bad response (gRFC A46) and
// name the bad ones; where the text names none and several were new, nothing is
// held against any, and they are sent again one by one.
func (u *subscription) reject(out *flight, text string, now time.Time) []*entry {
	bad := u.accused(out, text)
	if len(bad) == 0 && len(out.news) > 1 {
		u.isolate = true
		for _, n := range out.news {
			if n.e.is&gone == 0 {
				n.e.setSent(n.e.acked())
				u.mark(n.e)
			}
		}
		return nil
	}
	if len(bad) == 0 && len(out.news) == 1 {
		bad = []*entry{out.news[0].e}
	}
	for _, n := range out.news {
		if !slices.Contains(bad, n.e) {
			n.e.take(n.h, now)
		}
	}
	for _, e := range bad {
		if sent := e.sent(); sent != nil && e.is&gone == 0 {
			e.refuse(sent, text, now)
		}
	}
	return bad
}

// accused are the entries of the response that the text names. All names that the
// client asked for are looked for, so that none is found within another.
func (u *subscription) accused(out *flight, text string) []*entry {
	held := make(map[*entry]bool, len(out.news))
	for _, n := range out.news {
		held[n.e] = true
	}
	return slices.DeleteFunc(namedIn(slices.Clone(u.entries), text), func(e *entry) bool {
		return !held[e] && (!u.whole() || e.sent() == nil)
	})
}

// namedIn are the entries whose names stand in the text, longer names first, so that
// "reviews" is not found in "reviews.default:9080". It sorts entries.
func namedIn(entries []*entry, text string) []*entry {
	slices.SortFunc(entries, func(a, b *entry) int {
		long, short := b.name.Value(), a.name.Value()
		return cmp.Or(cmp.Compare(len(long), len(short)), cmp.Compare(short, long))
	})
	left := []byte(text)
	var bad []*entry
	for _, e := range entries {
		if strike(left, e.name.Value()) {
			bad = append(bad, e)
		}
	}
	return bad
}

// strike overwrites each occurrence of name that stands by itself, and reports
// whether there was one.
func strike(text []byte, name string) bool {
	found := false
	for from := 0; name != ""; {
		i := bytes.Index(text[from:], []byte(name))
		if i < 0 {
			break
		}
		i += from
		end := i + len(name)
		from = i + 1
		if i > 0 && inName(text[i-1]) || end < len(text) && inName(text[end]) {
			continue
		}
		for j := i; j < end; j++ {
			text[j] = 0
		}
		found, from = true, end
	}
	return found
}

// inName says that a byte beside a name belongs to a longer one. A colon, a comma
// and a full stop end a sentence as often as they continue a name.
func inName(c byte) bool {
	return c == '-' || c == '_' || c == '/' || c == '|' || c >= 0x80 ||
		'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

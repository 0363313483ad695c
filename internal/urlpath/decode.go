// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package urlpath

// escapedSlash stands in a decoded path for an escaped slash that is to stay one. A NUL is
// refused everywhere, so that the byte is free.
const escapedSlash = 0

// decoder decodes a path, once.
type decoder struct {
	rules Rules
	out   []byte
	high  bool // there are bytes beyond ASCII
	kept  bool // there are escaped slashes that stay
}

// decode reads the path as it is written: raw, or path where raw is "" or of another path,
// as it is when somebody has changed the one and not the other.
func (d *decoder) decode(path, raw string) Reason {
	if raw != "" && isOf(raw, path) {
		return d.written(raw)
	}
	for i := range len(path) {
		c := path[i]
		if why := d.take(c, c == '\\' || c == '#'); why != OK {
			return why
		}
	}
	return OK
}

func (d *decoder) written(raw string) Reason {
	for i := 0; i < len(raw); {
		c, n := next(raw, i)
		if why := d.take(c, n > 1); why != OK {
			return why
		}
		i += n
	}
	return OK
}

// isOf reports whether raw, decoded, is path.
func isOf(raw, path string) bool {
	j := 0
	for i := 0; i < len(raw); j++ {
		c, n := next(raw, i)
		if j >= len(path) || path[j] != c {
			return false
		}
		i += n
	}
	return j == len(path)
}

// next is the byte that is written at i, and in how many.
func next(raw string, i int) (c byte, n int) {
	if raw[i] == '%' && i+2 < len(raw) {
		if hi, lo := hex(raw[i+1]), hex(raw[i+2]); hi >= 0 && lo >= 0 {
			return byte(hi<<4 | lo), 3
		}
	}
	return raw[i], 1
}

// hex is the value of a hexadecimal digit; negative when c is none.
func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// take takes one decoded byte, which may have been escaped.
func (d *decoder) take(c byte, escaped bool) Reason {
	strict := d.rules.Level == Strict
	switch {
	case c == 0:
		return NUL
	case c < ' ' || c == 0x7f:
		return Control
	case c == '#' && !escaped:
		return Fragment
	case c == '/' && escaped:
		return d.slash()
	case c == '\\':
		return d.backslash(escaped)
	case c == ';' && strict && !d.rules.Parameters:
		return Parameter
	case c >= 0x80:
		d.high = true
	}
	d.out = append(d.out, c)
	return OK
}

// slash takes an escaped slash.
func (d *decoder) slash() Reason {
	switch d.rules.Level {
	case DecodeAndMergeSlashes:
		d.out = append(d.out, '/')
	case Base, MergeSlashes:
		d.out = append(d.out, escapedSlash)
		d.kept = true
	default:
		return Slash
	}
	return OK
}

func (d *decoder) backslash(escaped bool) Reason {
	switch {
	case d.rules.Level == Strict && d.rules.Backslash:
		d.out = append(d.out, '\\')
	case d.rules.Level == Strict || escaped && d.rules.Level != DecodeAndMergeSlashes:
		return Backslash
	default:
		d.out = append(d.out, '/')
	}
	return OK
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package urlpath

// escapedSlash stands in a decoded path for an escaped slash that is to stay one. A NUL is
// refused everywhere, so that the byte is free.
const escapedSlash = 0

// decoder decodes a path, once.
type decoder struct {
	rules Rules
	high  bool // there are bytes beyond ASCII
	kept  bool // there are escaped slashes that stay
}

// decode reads the path as it is written: raw, or path where raw is "" or of another path,
// as it is when somebody has changed the one and not the other. It appends to out.
func (d *decoder) decode(out []byte, path, raw string) ([]byte, Reason) {
	if raw != "" && isOf(raw, path) {
		return d.written(out, raw)
	}
	for i := range len(path) {
		c := path[i]
		c, why := d.take(c, c == '\\' || c == '#')
		if why != OK {
			return nil, why
		}
		out = append(out, c)
	}
	return out, OK
}

func (d *decoder) written(out []byte, raw string) ([]byte, Reason) {
	for i := 0; i < len(raw); {
		c, n := next(raw, i)
		c, why := d.take(c, n > 1)
		if why != OK {
			return nil, why
		}
		out = append(out, c)
		i += n
	}
	return out, OK
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

// take is what becomes of one decoded byte, which may have been escaped.
func (d *decoder) take(c byte, escaped bool) (byte, Reason) {
	switch {
	case c == 0:
		return 0, NUL
	case c < ' ' || c == 0x7f:
		return 0, Control
	case c == '#' && !escaped:
		return 0, Fragment
	case c == '/' && escaped:
		return d.slash()
	case c == '\\':
		return d.backslash(escaped)
	case c == ';' && d.rules.Level == Strict && !d.rules.Parameters:
		return 0, Parameter
	case c >= 0x80:
		d.high = true
	}
	return c, OK
}

// slash is what becomes of an escaped slash.
func (d *decoder) slash() (byte, Reason) {
	switch d.rules.Level {
	case DecodeAndMergeSlashes:
		return '/', OK
	case Base, MergeSlashes:
		d.kept = true
		return escapedSlash, OK
	}
	return 0, Slash
}

func (d *decoder) backslash(escaped bool) (byte, Reason) {
	switch {
	case d.rules.Level == Strict && d.rules.Backslash:
		return '\\', OK
	case d.rules.Level == Strict || escaped && d.rules.Level != DecodeAndMergeSlashes:
		return 0, Backslash
	}
	return '/', OK
}

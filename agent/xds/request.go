// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"errors"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// fieldNames is a field of envoy.service.discovery.v3.DiscoveryRequest.
const fieldNames = 3

// request is a DiscoveryRequest as it is read. Every answer to a response repeats
// all names, mostly the same ones: a list that is the stream's last one of the kind
// is recognised and not made into strings.
type request struct {
	discoveryv3.DiscoveryRequest
	same bool            // the names are the last ones; ResourceNames is empty
	last *[kinds]listing // the stream's lists, brought up to date by read
	most int             // how many names are allowed; 0: any number
	over int             // how many there are, when that is more; ResourceNames is empty
}

// listing recognises a list of names, in any order.
type listing struct {
	seen  bool
	count int
	sum   uint64
}

func (r *request) resumed() bool { return r.GetVersionInfo() != "" }

func (r *request) to(s *session) error { return s.request(r) }

var errBadRequest = errors.New("xds: a request is malformed")

// read decodes b, and keeps nothing of it.
func (r *request) read(b []byte) error {
	names, err := r.head(b)
	if err != nil {
		return err
	}
	if r.most > 0 && names.count > r.most {
		r.over = names.count
		return nil
	}
	names.seen = true
	if k, ok := KindOf(r.GetTypeUrl()); ok && r.last != nil {
		r.same = r.last[k] == names
		r.last[k] = names
	}
	if r.same {
		return nil
	}
	r.ResourceNames = make([]string, 0, names.count)
	err = fields(b, func(name bool, _, value []byte) error {
		if name {
			r.ResourceNames = append(r.ResourceNames, string(value))
		}
		return nil
	})
	return err
}

// head decodes all but the names, which it only recognises.
func (r *request) head(b []byte) (names listing, err error) {
	rest := make([]byte, 0, 256)
	err = fields(b, func(name bool, whole, value []byte) error {
		if !name {
			rest = append(rest, whole...)
			return nil
		}
		if !utf8.Valid(value) {
			return errBadRequest
		}
		names.count++
		names.sum += xxhash.Sum64(value)
		return nil
	})
	if err != nil {
		return names, err
	}
	return names, proto.Unmarshal(rest, &r.DiscoveryRequest)
}

// fields calls f with each field of a message: whether it is a name, the whole of it, and
// what it holds when that has a length. A field of another type than it should have is one
// that nobody knows, as protocol buffers have it.
func fields(b []byte, f func(name bool, whole, value []byte) error) error {
	for len(b) > 0 {
		num, typ, tag := protowire.ConsumeTag(b)
		if tag < 0 {
			return errBadRequest
		}
		size := protowire.ConsumeFieldValue(num, typ, b[tag:])
		if size < 0 {
			return errBadRequest
		}
		var value []byte
		if typ == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(b[tag:])
		}
		if err := f(num == fieldNames && typ == protowire.BytesType, b[:tag+size], value); err != nil {
			return err
		}
		b = b[tag+size:]
	}
	return nil
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/consul/api"
)

// documents is what an answer says of the keys of a folder.
type documents struct {
	files  map[string][]byte // by "consul:" and the key
	listed int               // keys in the answer, documents or not
}

// folderAnswer is what came of a question for a folder.
type folderAnswer struct {
	documents
	header
	remote string
	token  bool
	early  bool // it brought no other index, long before it had to come
}

// document is what is read of a key.
type document struct {
	Key   string
	Value []byte // in base64
}

// documentSuffixes is what the name of a document ends with.
var documentSuffixes = []string{".yaml", ".yml", ".json"}

// readDocuments reads the JSON of a query for keys from a stream, whose length is bounded.
func readDocuments(r io.Reader) (documents, error) {
	dec := json.NewDecoder(r)
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return documents{}, garbage(err, "it is no list of keys")
	}
	out := documents{files: map[string][]byte{}}
	for dec.More() {
		var d document
		if err := dec.Decode(&d); err != nil {
			var typed *json.UnmarshalTypeError
			if errors.As(err, &typed) || strings.Contains(err.Error(), "base64") {
				return documents{}, &Error{Reason: Garbage, Err: err}
			}
			return documents{}, garbage(err, "")
		}
		out.listed++
		if slices.Contains(documentSuffixes, strings.ToLower(path.Ext(d.Key))) {
			out.files["consul:"+printable(d.Key)] = d.Value
		}
	}
	if _, err := dec.Token(); err != nil {
		return documents{}, garbage(err, "")
	}
	return out, nil
}

// printable is a key as it may stand in a log.
func printable(key string) string {
	if strings.ContainsFunc(key, unicode.IsControl) {
		return strconv.Quote(key)
	}
	return key
}

// askFolder puts one question for the keys under q.service, a prefix. It is over by ctx's
// end or in time, whichever is first.
func (r *Registry) askFolder(ctx context.Context, q query) (folderAnswer, error) {
	timeout := r.cfg.Timeout
	if q.index > 0 {
		timeout = slack(q.wait)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var ans folderAnswer
	x := &exchange{last: q.last, read: func(body io.Reader) (err error) {
		ans.documents, err = readDocuments(body)
		return err
	}}
	ctx, drop := x.with(ctx)
	defer drop(nil)
	opts := (&api.QueryOptions{Datacenter: q.dc, WaitIndex: q.index, AllowStale: !r.cfg.Consistent}).WithContext(ctx)
	if q.index > 0 {
		opts.WaitTime = q.wait
	}
	asked := time.Now()
	_, _, err := r.client.KV().List(q.service, opts)
	ans.remote, ans.token = x.remote, x.token
	switch {
	case err != nil && errors.Is(context.Cause(ctx), errMoved):
		return ans, errMoved
	case err != nil:
		return ans, classify(err)
	case x.header == nil:
		return ans, &Error{Reason: Garbage, Err: errors.New("the answer has no body")}
	}
	ans.header = readHeader(x.header)
	ans.early = q.index > 0 && ans.index == q.index && time.Since(asked) < q.wait-q.wait/10
	return ans, nil
}

// empty is why an answer without keys is not taken for a folder without documents.
func (r *Registry) empty(ctx context.Context, ans folderAnswer) error {
	switch {
	case ans.listed > 0:
		return nil
	case ans.filtered:
		return &Error{Reason: Filtered, Err: errors.New("the token may not see any key")}
	case ans.leaderless:
		return &Error{Reason: Leaderless, Err: errors.New("an empty answer of a server that knows no leader is not believed")}
	case ans.deny && !ans.token:
		if err := r.checkToken(ctx); err != nil {
			return err
		}
	}
	return &Error{Reason: Missing, Err: errors.New("there is no such folder, or no key in it")}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// wireIntention is an intention as the agent writes it: what decides, without dates,
// descriptions and indexes. Consul's own client leaves JWT out, and with it a condition.
type wireIntention struct {
	SourceNS, SourceName, SourcePartition, SourcePeer, SourceSamenessGroup, SourceType string
	DestinationName                                                                    string
	Action                                                                             string
	Permissions                                                                        []json.RawMessage
	JWT                                                                                json.RawMessage
	Precedence                                                                         int
}

// wirePermission is a permission. What it has beyond these fields would be a condition that
// is not understood.
type wirePermission struct {
	Action string
	HTTP   *wireHTTP
	JWT    json.RawMessage
}

type wireHTTP struct {
	PathExact, PathPrefix, PathRegex string
	Header                           []wireHeader
	Methods                          []string
}

type wireHeader struct {
	Name                                   string
	Present                                bool
	Exact, Prefix, Suffix, Contains, Regex string
	Invert, IgnoreCase                     bool
}

// maxIntentions bounds how many are read for one destination.
const maxIntentions = 10_000

// decode reads the agent's answer for one destination, highest precedence first.
func decode(body []byte, service string) ([]wireIntention, error) {
	var all map[string][]wireIntention
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, fmt.Errorf("intentions: the agent's answer: %w", err)
	}
	list, ok := all[service]
	switch {
	case !ok:
		return nil, fmt.Errorf("intentions: the agent's answer is not about %q", service)
	case len(list) > maxIntentions:
		return nil, fmt.Errorf("intentions: there are %d for %q, at most %d are read", len(list), service, maxIntentions)
	}
	slices.SortStableFunc(list, func(a, b wireIntention) int { return b.Precedence - a.Precedence })
	return list, nil
}

// strict decodes without a field left over.
func strict(raw json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("there is more behind it")
	}
	return nil
}

// isSet reports whether an optional field is there.
func isSet(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

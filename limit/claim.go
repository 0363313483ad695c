// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/enmesh-go/enmesh"
)

// ByClaim is a claim of the verified token of the end user on whose behalf a call is made, on a
// server: "sub", or "tenant" ([enmesh.Call.Auth], which request authentication sets; a
// token that nobody has verified says nothing). Calls without a token, or without the claim,
// share the key "". A number or a truth value is its text, and a list or an object its JSON.
func ByClaim(name string) Key { return claimKey(name) }

// claimKey is the name of a claim.
type claimKey string

func (k claimKey) add(s sip, c *enmesh.Call) sip {
	text, _ := k.text(c)
	s.part(text)
	return s
}

func (k claimKey) text(c *enmesh.Call) (string, bool) {
	auth := c.Auth()
	if auth == nil {
		return "", false
	}
	switch v := auth.Claims[string(k)].(type) {
	case nil:
		return "", false
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	default:
		text, err := json.Marshal(v) // the names of an object in their order
		return string(text), err == nil
	}
}

func (k claimKey) check() error {
	if k == "" {
		return fmt.Errorf("limit: ByClaim has no name")
	}
	return nil
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import "time"

// Auth is what a verified token says of the end user on whose behalf a call is made: the
// result of request authentication, beside [Peer], which is the workload that sent it. It
// is never written again.
type Auth struct {
	Issuer    string
	Subject   string
	Audiences []string
	Presenter string         // the authorized party, claim azp; "" when the token has none
	Claims    map[string]any // as encoding/json decodes them, numbers as json.Number; not to be written
	Expiry    time.Time      // the end of the token's life
}

// Principal is "issuer/subject", as Istio names an end user; "" for nil and when either is
// missing.
func (a *Auth) Principal() string {
	if a == nil || a.Issuer == "" || a.Subject == "" {
		return ""
	}
	return a.Issuer + "/" + a.Subject
}

// Auth is the end user that request authentication has found, on a server; nil: none. A
// handler asks [FromContext] for its Call.
func (c *Call) Auth() *Auth {
	if c.rare == nil {
		return nil
	}
	return c.rare.auth
}

// SetAuth says who the end user is. Only a policy that has verified it may call it, from
// the chain's goroutine and before next.
func (c *Call) SetAuth(a *Auth) { c.seldom().auth = a }

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// Default is what happens to a call that no policy says anything about.
type Default uint8

// The defaults.
const (
	// AllowByDefault is Istio's: while there is no Allow policy, what is not denied is
	// allowed.
	AllowByDefault Default = iota
	// DenyByDefault: only what an Allow policy matches is allowed, also when there is none.
	DenyByDefault
)

// A Checker decides over calls that a Custom policy matches. nil allows. An *enmesh.Error
// with the outcome Neutral is a denial and is the caller's answer as it is; with
// [ErrNoDecision] in it, it is the answer where there was no decision. Any other error, a
// panic and the end of ctx mean that there was none either, and the call is refused.
type Checker interface {
	Check(ctx context.Context, c *enmesh.Call) error
}

// Config is what an [Engine] is made of.
type Config struct {
	// Policies are those that hold for this server, in any order.
	Policies []Policy
	// TrustDomain is this server's own, "" if it has none; Aliases are names that it had, or
	// has besides. See [Source].
	TrustDomain string
	Aliases     []string
	// Default is AllowByDefault unless set.
	Default Default
	// Checkers are by the name that Custom policies call their provider.
	Checkers map[string]Checker
	// TrustedProxies is how many proxies stand in front of this server and add to
	// X-Forwarded-For, 0 to 100: the original caller (remote.ip) is that many entries from
	// the end. 0: it is the far end of the connection.
	TrustedProxies int
	// Hide answers refusals as if what was asked for did not exist: 404, UNIMPLEMENTED.
	Hide bool
	// Recorder is told of what dry-run policies would change (refuse and allow, in shadow), of
	// what Audit policies match (audit), and of calls refused since no decision could be had
	// (degrade). nil: nobody is.
	Recorder enmesh.Recorder
	// Audit is told of refusals, of what Audit policies match, and of what dry-run policies
	// would change. It runs on the call's goroutine and must not keep the Decision. nil:
	// nobody is. [LogTo] makes one.
	Audit func(ctx context.Context, c *enmesh.Call, d *Decision)
}

const maxTrustedProxies = 100

func (cfg Config) check() error {
	switch {
	case cfg.Default > DenyByDefault:
		return fmt.Errorf("authz: Default %d is not AllowByDefault or DenyByDefault", cfg.Default)
	case cfg.TrustedProxies < 0 || cfg.TrustedProxies > maxTrustedProxies:
		return fmt.Errorf("authz: TrustedProxies %d is not within 0 to %d", cfg.TrustedProxies, maxTrustedProxies)
	case cfg.TrustDomain == "" && len(cfg.Aliases) > 0:
		return fmt.Errorf("authz: Aliases %q are of no TrustDomain", cfg.Aliases)
	}
	for i, td := range slices.Concat([]string{cfg.TrustDomain}, cfg.Aliases) {
		if strings.ContainsAny(td, "/*: ") || td == "" && i > 0 {
			return fmt.Errorf("authz: trust domain %q is not the plain name of one", td)
		}
	}
	for name, checker := range cfg.Checkers {
		if checker == nil {
			return fmt.Errorf("authz: Checkers[%q] is nil", name)
		}
	}
	return nil
}

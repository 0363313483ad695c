// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"net/http"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/authz"
)

// securityConfig is what the options about callers add up to.
type securityConfig struct {
	root        string
	checkers    map[string]authz.Checker
	audit       func(context.Context, *enmesh.Call, *authz.Decision)
	defaultsTo  authz.Default
	hide        bool
	proxies     int
	aliases     []string
	tokenClient *http.Client
}

// WithRootNamespace is the namespace whose policies are for the whole mesh. Without it:
// "istio-system".
func WithRootNamespace(namespace string) Option {
	return optionFunc(func(cfg *config) { cfg.security.root = namespace })
}

// WithAuthorizer is who decides for AuthorizationPolicies with action CUSTOM and a
// provider of that name. A policy whose provider nobody gave is not put in force: the load
// is refused.
func WithAuthorizer(provider string, c authz.Checker) Option {
	return optionFunc(func(cfg *config) {
		if cfg.security.checkers == nil {
			cfg.security.checkers = map[string]authz.Checker{}
		}
		cfg.security.checkers[provider] = c
	})
}

// WithAuthzAudit hears of the calls that AuthorizationPolicies refuse, of those that
// policies with action AUDIT match, and of what a dry run would change:
// authz.LogTo makes such a function for a log. It runs on the call's goroutine and must not
// keep the Decision. Without it nobody hears of them. With it or without,
// enmesh_decisions_total counts what AUDIT matches (policy "authz", action "audit"), what a
// dry run would change (actions "refuse" and "allow", in shadow) and what could not be
// decided ("degrade"); refusals are in the metrics of calls.
func WithAuthzAudit(hear func(context.Context, *enmesh.Call, *authz.Decision)) Option {
	return optionFunc(func(cfg *config) { cfg.security.audit = hear })
}

// WithAuthzDefault says what becomes of calls to this process that no AuthorizationPolicy
// is about. Without it: authz.AllowByDefault, as in Istio. With authz.DenyByDefault a
// process without policies serves nobody.
func WithAuthzDefault(d authz.Default) Option {
	return optionFunc(func(cfg *config) { cfg.security.defaultsTo = d })
}

// WithHiddenDenials answers callers that AuthorizationPolicies refuse as if there were
// nothing: 404, UNIMPLEMENTED. Without it: 403, PERMISSION_DENIED.
//
// In gRPC this hides a method from those who call it as it is meant to be, and not from
// those who probe: what grpc and generated code do comes before any policy. The text of a
// refusal is that of a service with other methods, so that the service is not hidden. An
// encoding (grpc-encoding) that the server does not know is named as such for methods that
// are there. And the message of a unary call is read first: for one that cannot be decoded
// the answer is INTERNAL, for one that is too long RESOURCE_EXHAUSTED, and for none there is
// none until it comes, where a method that is not there is UNIMPLEMENTED at once.
func WithHiddenDenials() Option {
	return optionFunc(func(cfg *config) { cfg.security.hide = true })
}

// WithTrustedProxies is how many proxies stand in front of this process and add to
// X-Forwarded-For, 0 to 100: remoteIpBlocks and remote.ip go by the entry that many from the
// end. Without it: 0, and they go by the connection's address.
func WithTrustedProxies(n int) Option {
	return optionFunc(func(cfg *config) { cfg.security.proxies = n })
}

// WithTrustDomainAliases are other names of the process's own trust domain, that it had
// before: principals of policies that name one of them stand for those of all.
func WithTrustDomainAliases(names ...string) Option {
	return optionFunc(func(cfg *config) { cfg.security.aliases = append(cfg.security.aliases, names...) })
}

// WithTokenClient fetches the keys of the issuers that RequestAuthentications name. Without
// it: a client that trusts the system's certificate authorities, follows no redirect and
// gives up after 5 s.
func WithTokenClient(c *http.Client) Option {
	return optionFunc(func(cfg *config) { cfg.security.tokenClient = c })
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/hashicorp/consul/api"
)

// anonymousID is the accessor of the token that everybody has who has none.
const anonymousID = "00000000-0000-0000-0000-000000000002"

// anonymity is what is known of asking without a token.
type anonymity struct {
	mu    sync.Mutex // guards known; nothing is called under it
	known *bool      // whether anything at all can be seen; nil: not asked yet
}

func (a *anonymity) get() *bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known
}

func (a *anonymity) set(sees bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = &sees
}

// tokensOf is the token of the configuration, else of the environment.
func tokensOf(cfg *Config, env *api.Config) *tokens {
	t := &tokens{file: cfg.TokenFile, last: cfg.Token}
	if t.file == "" && t.last == "" {
		t.file, t.last = env.TokenFile, env.Token
	}
	t.tell = func(err error) {
		if err != nil {
			cfg.event(Event{Kind: TokenUnread, Err: err})
		}
	}
	return t
}

// checkToken finds out whether there is a token, or else whether one is needed: the
// agent may have a token of its own for such requests, or the operator may have given
// the anonymous token a policy. Consul hides from anonymous callers that it hides
// something from them, so the question is which token it takes them to have. While
// the agent cannot be asked, the answer is that nothing is known to be wrong.
func (r *Registry) checkToken(ctx context.Context) error {
	if r.tokens.now() != "" {
		return nil
	}
	sees := r.anonymous.get()
	if sees == nil {
		if sees = r.askAnonymous(ctx); sees == nil {
			return nil
		}
		if *sees {
			r.anonymous.set(true) // that it sees nothing can change at any time
		}
	}
	if *sees {
		return nil
	}
	return &Error{Reason: Anonymous, Err: ErrNoToken}
}

// askAnonymous reports whether a caller without a token sees anything; nil where it
// cannot be found out.
func (r *Registry) askAnonymous(ctx context.Context) *bool {
	yes, no := true, false
	self, _, err := r.client.ACL().TokenReadSelf((&api.QueryOptions{AllowStale: true}).WithContext(ctx))
	code, body := statusOf(err)
	switch {
	case err == nil && (self.AccessorID != anonymousID || granted(self)):
		return &yes
	case err == nil, code == http.StatusForbidden:
		return &no
	case code == http.StatusUnauthorized && strings.Contains(body, "ACL support disabled"), code == http.StatusNotFound:
		return &yes
	}
	return nil
}

// granted reports whether anything hangs on a token.
func granted(t *api.ACLToken) bool {
	return len(t.Policies)+len(t.Roles)+len(t.ServiceIdentities)+len(t.NodeIdentities)+len(t.TemplatedPolicies) > 0
}

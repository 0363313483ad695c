// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh/internal/longpoll"
)

// ask asks once, and puts in force what is new.
func (a *Authorizer) ask(ctx context.Context, q longpoll.Query) (longpoll.Answer, error) {
	answer, err := a.query(ctx, q)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) { // Close is no failure
		a.note(err)
	}
	return answer, err
}

func (a *Authorizer) query(ctx context.Context, q longpoll.Query) (longpoll.Answer, error) {
	trustDomain, err := a.trustDomain(ctx, q)
	if err != nil {
		return longpoll.Answer{}, failure("trust domain", err)
	}
	var raw longpoll.Tapped
	opts := (&api.QueryOptions{WaitIndex: q.Index, WaitTime: q.Wait}).WithContext(longpoll.Tap(ctx, &raw))
	args := &api.IntentionMatch{By: api.IntentionMatchDestination, Names: []string{a.cfg.Service}}
	_, meta, err := a.client.Connect().IntentionMatch(args, opts)
	if err != nil {
		return longpoll.Answer{}, failure("match", err)
	}
	if raw.Header.Get("X-Consul-Results-Filtered-By-ACLs") == "true" {
		return longpoll.Answer{}, fmt.Errorf("intentions: %w: the token may not see all of them", longpoll.ErrKeepIndex)
	}
	allow := a.cfg.Default == Allow || a.cfg.Default == FromConsul && raw.Header.Get("X-Consul-Default-ACL-Policy") == "allow"
	list, err := decode(raw.Body.Bytes(), a.cfg.Service)
	if err != nil {
		return longpoll.Answer{}, err
	}
	if last := a.set.Load(); last != nil && q.Index > 0 && len(list) == 0 && last.Len() > 0 {
		// That all are gone may be said by a server that is being restored: it is not believed
		// before a query from the start says the same.
		return a.query(ctx, longpoll.Query{Limit: q.Limit})
	}
	changed := a.take(raw.Body.Bytes(), list, trustDomain, allow)
	return longpoll.Answer{Index: meta.LastIndex, Changed: changed}, nil
}

// trustDomain is that of the cluster. It is asked for when another server may answer than
// before, or the same one in another life.
func (a *Authorizer) trustDomain(ctx context.Context, q longpoll.Query) (string, error) {
	if set := a.set.Load(); set != nil && q.Index > 0 {
		return set.trustDomain, nil
	}
	roots, _, err := a.client.Agent().ConnectCARoots((&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return "", err
	}
	if roots.TrustDomain == "" {
		return "", errors.New("the agent names none")
	}
	return roots.TrustDomain, nil
}

// take puts an answer in force, if it says something else than the one before.
func (a *Authorizer) take(body []byte, list []wireIntention, trustDomain string, allow bool) (changed bool) {
	last := a.set.Load()
	if last != nil && last.trustDomain == trustDomain && last.allow == allow && bytes.Equal(a.body, body) {
		a.note(nil)
		return false
	}
	set := compile(list, a.cfg.Service, trustDomain, allow)
	a.set.Store(set)
	a.body = bytes.Clone(body)
	a.note(nil)
	if last == nil {
		close(a.ready)
	}
	if a.cfg.OnUpdate != nil {
		a.cfg.OnUpdate(set, nil)
	}
	return true
}

// note keeps the state of the watch, and tells of a new failure.
func (a *Authorizer) note(err error) {
	a.mu.Lock()
	news := err != nil && (a.err == nil || a.err.Error() != err.Error())
	a.err = err
	a.mu.Unlock()
	if news && a.cfg.OnUpdate != nil {
		a.cfg.OnUpdate(a.set.Load(), err)
	}
}

// failure names what could not be had. The index holds where the agent has answered.
func failure(what string, err error) error {
	var status api.StatusError
	if errors.As(err, &status) {
		err = fmt.Errorf("%w: the agent answers %d: %.200s", longpoll.ErrKeepIndex, status.Code, strings.TrimSpace(status.Body))
	}
	return fmt.Errorf("intentions: %s: %w", what, err)
}

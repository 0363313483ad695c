// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/enmesh-go/enmesh/agent"
)

const statusText = `agent status asks the agent of this host how it is: the policy in force, the services that
clients need, the certificates, each client with what it makes of what it gets, and each
field of policy, by file and line, that its kind of client does not do as written. It
exits with 1 when something is not well, and says what: no answer, policy that was
refused, services out of touch with the registry, certificates that are not renewed,
resources that a client refused (NACK).

  enmesh agent status
  enmesh agent status -json | jq .clients`

const statusVariables = "ENMESH_AGENT_"

// Bounds of asking an agent.
const (
	statusTimeout = 10 * time.Second
	statusBytes   = 256 << 20
)

// statusFlags are the command's.
type statusFlags struct {
	admin   string
	stale   time.Duration
	asJSON  bool
	verbose bool
}

func statusFlagSet(messages io.Writer) (*flag.FlagSet, *statusFlags) {
	set := flags("agent status", "", "", messages)
	f := &statusFlags{}
	set.StringVar(&f.admin, "admin", defaultAdmin, "`address` of the agent's status page; its variable is ENMESH_AGENT_ADMIN")
	set.DurationVar(&f.stale, "stale", time.Minute, "`time` for which endpoints may be out of touch with the registry")
	set.BoolVar(&f.verbose, "all", false, "print each resource of each client")
	set.BoolVar(&f.asJSON, "json", false, "print what the agent answers")
	grouped(set, "[flags]", statusText, []group{{"Flags", "admin stale all json"}})
	return set, f
}

// showStatus is "enmesh agent status".
func showStatus(ctx context.Context, args []string, out, messages io.Writer) int {
	set, f := statusFlagSet(messages)
	if code, done := parseWith(set, statusVariables, args); done {
		return code
	}
	text, err := askStatus(ctx, f.admin)
	var s agent.Status
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		say(messages, "enmesh: agent status: %v\n", err)
		return exitNo
	}
	if f.asJSON {
		say(out, "%s", text)
	} else {
		table(out, &s, f.verbose)
	}
	wrong := problems(&s, f.stale)
	for _, p := range wrong {
		say(messages, "not well: %s\n", p)
	}
	if len(wrong) > 0 {
		return exitNo
	}
	return exitWell
}

// askStatus is what the agent answers.
func askStatus(ctx context.Context, admin string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/status", http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	transport := &http.Transport{DisableKeepAlives: true}     // no proxy: the agent is on this host
	resp, err := (&http.Client{Transport: transport}).Do(req) //nolint:gosec // the address is the word of who runs the command
	if err != nil {
		return nil, fmt.Errorf("no agent answers at %s: %w", admin, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, statusBytes))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %.200s", admin, resp.Status, text)
	}
	return text, nil
}

// problems is what is not well.
func problems(s *agent.Status, stale time.Duration) (wrong []string) {
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if !s.Ready {
		add("no client is answered yet")
	}
	if s.Policy.Error != "" {
		add("policy is refused, the last good one stays in force: %s", s.Policy.Error)
	}
	if s.Policy.DiskError != "" {
		add("policy cannot be kept on disk: %s", s.Policy.DiskError)
	}
	if s.Disk != nil && s.Disk.Error != "" {
		add("endpoints cannot be kept on disk: %s", s.Disk.Error)
	}
	for i := range s.Services {
		if v := &s.Services[i]; v.Staleness > stale.Seconds() {
			add("service %s is out of touch with the registry for %v: %s", v.Service, seconds(v.Staleness), orNone(v.Error))
		}
	}
	for i := range s.Certificates {
		switch c := &s.Certificates[i]; {
		case c.NotAfter.IsZero():
			add("certificate %s: there is none: %s", c.Dir, orNone(c.Error))
		case c.Left <= 0:
			add("certificate %s has ended: %s", c.Dir, orNone(c.Error))
		case c.Error != "":
			add("certificate %s is not renewed, and ends in %v: %s", c.Dir, seconds(c.Left), c.Error)
		}
	}
	for i := range s.Clients {
		for _, r := range s.Clients[i].Resources {
			if r.State == rejected {
				add("client %s refuses the %s %s: %s", s.Clients[i].ID, r.Kind, r.Name, r.Error)
			}
		}
	}
	return wrong
}

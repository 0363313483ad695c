// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/ca/connect"
	"github.com/enmesh-go/enmesh/security/mtls"
	"github.com/enmesh-go/enmesh/security/spiffe"
)

// issueFlags say which certificates are kept fresh, and who makes them.
type issueFlags struct {
	issue words
	ca    string
	ttl   time.Duration
}

func (i *issueFlags) flags(set *flag.FlagSet) {
	set.Var(&i.issue, "issue", "keep a certificate fresh in a folder, `folder=spiffe://domain/ns/namespace/sa/account`,\n"+
		"or folder=service with Consul's authority; may be given several times")
	set.StringVar(&i.ca, "ca", "", "`who` makes the certificates of -issue: own (an authority in memory, for this host and until it ends),\n"+
		"own:FOLDER (its root is kept there), files:FOLDER (somebody else renews cert.pem, key.pem and ca.pem\n"+
		"in it, or in ns/NAMESPACE/sa/ACCOUNT below it), consul, spiffe or spiffe:unix:///socket")
	set.DurationVar(&i.ttl, "ca-ttl", time.Hour, "life of a certificate of the own authority, a `time`; it is renewed at half of it")
}

// issues are those of agent.Config.
func (i *issueFlags) issues(trustDomain string, consul *sourceFlags) ([]agent.Issue, error) {
	if len(i.issue) == 0 {
		if i.ca != "" {
			return nil, errors.New("-ca is given and -issue is not: for whom are the certificates?")
		}
		return nil, nil
	}
	from, err := i.issuer(trustDomain, consul)
	if err != nil {
		return nil, err
	}
	var out []agent.Issue
	for _, text := range i.issue {
		dir, who, ok := strings.Cut(text, "=")
		if !ok || dir == "" || who == "" {
			return nil, fmt.Errorf("-issue %q: it is not folder=identity", text)
		}
		one := agent.Issue{Dir: dir, From: from}
		if i.ca == "consul" && !strings.Contains(who, "://") {
			one.From = connectIssuer(who, consul)
		} else if one.Identity, err = security.ParseID(who); err != nil {
			return nil, fmt.Errorf("-issue %q: %w", text, err)
		}
		out = append(out, one)
	}
	return out, nil
}

// issuer is who makes certificates.
func (i *issueFlags) issuer(trustDomain string, consul *sourceFlags) (agent.Issuer, error) {
	kind, where, _ := strings.Cut(i.ca, ":")
	switch {
	case i.ca == "":
		return nil, errors.New("-issue is given and -ca is not: who makes the certificates?")
	case kind == "own":
		return ownIssuer(where, trustDomain, ca.Config{TTL: i.ttl})
	case kind == "files" && where != "":
		return filesIssuer(where), nil
	case i.ca == "consul":
		return connectIssuer("", consul), nil
	case kind == "spiffe":
		return func(ctx context.Context, id security.ID) (security.Source, error) {
			return spiffe.New(ctx, spiffe.Config{Address: where, ID: id})
		}, nil
	}
	return nil, fmt.Errorf("-ca %q: it is none of own, own:FOLDER, files:FOLDER, consul, spiffe and spiffe:ADDRESS", i.ca)
}

// ownIssuer is an authority of the agent's own.
func ownIssuer(dir, trustDomain string, cfg ca.Config) (agent.Issuer, error) {
	authority, err := ca.NewDevelopment(trustDomain, cfg)
	if dir != "" {
		authority, err = ca.OpenKept(dir, trustDomain, cfg)
	}
	if err != nil {
		return nil, err
	}
	return agent.FromAuthority(authority), nil
}

// filesIssuer takes what somebody else renews: in the identity's own folder below dir, or
// where there is none, in dir.
func filesIssuer(dir string) agent.Issuer {
	return func(_ context.Context, id security.ID) (security.Source, error) {
		at := filepath.Join(dir, filepath.FromSlash(id.Path()))
		if _, err := os.Stat(at); err != nil {
			at = dir
		}
		return openFiles(at)
	}
}

func openFiles(dir string) (*mtls.Files, error) {
	return mtls.NewFiles(mtls.FilesConfig{
		Cert: filepath.Join(dir, ca.CertFile), Key: filepath.Join(dir, ca.KeyFile), CA: filepath.Join(dir, ca.CAFile),
	})
}

// connectIssuer asks Consul's authority for the certificate of a service, which is that of
// the identity if it is not named.
func connectIssuer(service string, at *sourceFlags) agent.Issuer {
	return func(ctx context.Context, id security.ID) (security.Source, error) {
		name := service
		if name == "" {
			of, ok := connect.ParseService(id)
			if !ok {
				return nil, fmt.Errorf("%s names no service of Consul's", id)
			}
			name = of.Name
		}
		return connect.New(ctx, connect.Config{Service: name, Address: at.consul, TokenFile: at.tokenFile})
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package exthttp

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/headername"
)

// Config says how the authorizer is asked. The names are those of Istio's
// envoyExtAuthzHttp provider, and so is the meaning where nothing else is said.
//
// Lists of headers have exact names, "prefix*" and "*suffix", without regard to case.
type Config struct {
	// URL is the authorizer's scheme, host and port: "http://authz.example:8000". It must be
	// set, and has no path.
	URL string
	// PathPrefix is put before the path of the call: "/check" asks at /check/admin about
	// /admin. It begins with a slash.
	PathPrefix string
	// Timeout is how long a call waits for the authorizer at most. 0 is 1 s (Istio's is
	// 600 s); negative and above 10 min is refused.
	Timeout time.Duration
	// FailOpen lets calls through while the authorizer does not answer, or answers with a
	// status of 500 and above. The default refuses them with StatusOnError.
	FailOpen bool
	// StatusOnError is the HTTP status of calls that are refused without the authorizer's
	// word. 0 is 403; what is not 400 to 599 is refused.
	StatusOnError int

	// IncludeRequestHeadersInCheck are the headers of the call that the authorizer is sent.
	IncludeRequestHeadersInCheck []string
	// IncludeAdditionalHeadersInCheck are sent as well, and replace the call's of the name.
	IncludeAdditionalHeadersInCheck map[string]string
	// HeadersToUpstreamOnAllow are the headers of the authorizer's answer that the handler
	// sees in the request, in place of what the caller sent. What the authorizer does not
	// send stays as the caller sent it.
	HeadersToUpstreamOnAllow []string
	// HeadersToDownstreamOnDeny are those that the caller is sent with a refusal, beside
	// WWW-Authenticate, Location, Content-Type and Retry-After. nil is all.
	HeadersToDownstreamOnDeny []string
	// HeadersToDownstreamOnAllow are those that the caller is sent with the answer of a call
	// that was let through, unless the handler sets them.
	HeadersToDownstreamOnAllow []string

	// Client asks. nil is one of the Checker's own, without proxies. Redirects are never
	// followed: they are the authorizer's answer to the caller.
	Client *http.Client
	// Recorder is told of every call that is decided without the authorizer's word. It may
	// be nil.
	Recorder enmesh.Recorder
}

// Bounds.
const (
	maxTimeout = 10 * time.Minute
	maxBody    = 64 << 10 // of an answer that is passed on, in bytes
	maxHeader  = 64 << 10 // of an answer's headers, in bytes
)

// compiled is a Config as calls need it.
type compiled struct {
	Config
	base                             url.URL
	include, upstream, denied, shown headername.List
}

func (cfg Config) compile() (*compiled, error) {
	k := &compiled{Config: cfg}
	base, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("exthttp: URL: %w", err)
	}
	switch {
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "", base.Path != "" && base.Path != "/",
		base.RawQuery != "", base.Fragment != "", base.User != nil:
		return nil, fmt.Errorf("exthttp: URL %q is not http://host:port or https://host:port", base.Redacted())
	case cfg.PathPrefix != "" && (cfg.PathPrefix[0] != '/' || strings.ContainsAny(cfg.PathPrefix, "?#%")):
		return nil, fmt.Errorf("exthttp: PathPrefix %q is not a plain path that begins with a slash", cfg.PathPrefix)
	case cfg.Timeout < 0 || cfg.Timeout > maxTimeout:
		return nil, fmt.Errorf("exthttp: Timeout %v is not within 0 to %v", cfg.Timeout, maxTimeout)
	case cfg.StatusOnError != 0 && (cfg.StatusOnError < 400 || cfg.StatusOnError > 599):
		return nil, fmt.Errorf("exthttp: StatusOnError %d is not within 400 to 599", cfg.StatusOnError)
	}
	k.base = url.URL{Scheme: base.Scheme, Host: base.Host}
	if k.Timeout == 0 {
		k.Timeout = time.Second
	}
	if k.StatusOnError == 0 {
		k.StatusOnError = http.StatusForbidden
	}
	k.PathPrefix = strings.TrimSuffix(cfg.PathPrefix, "/")
	if err := k.lists(); err != nil {
		return nil, err
	}
	return k, nil
}

// lists reads the lists of headers.
func (k *compiled) lists() (err error) {
	deny := k.HeadersToDownstreamOnDeny
	if deny == nil {
		deny = []string{"*"}
	}
	for _, f := range []struct {
		name   string
		values []string
		into   *headername.List
	}{
		{"IncludeRequestHeadersInCheck", k.IncludeRequestHeadersInCheck, &k.include},
		{"HeadersToUpstreamOnAllow", k.HeadersToUpstreamOnAllow, &k.upstream},
		{"HeadersToDownstreamOnDeny", append([]string{"www-authenticate", "location", "content-type", "retry-after"}, deny...), &k.denied},
		{"HeadersToDownstreamOnAllow", k.HeadersToDownstreamOnAllow, &k.shown},
	} {
		if *f.into, err = headername.Parse(f.values); err != nil {
			return fmt.Errorf("exthttp: %s: %w", f.name, err)
		}
	}
	for name, value := range k.IncludeAdditionalHeadersInCheck {
		if !headername.Valid(name) || headername.OfMessage(name) || !headername.ValidValue(value) {
			return fmt.Errorf("exthttp: IncludeAdditionalHeadersInCheck: %q cannot be sent", name)
		}
	}
	return nil
}

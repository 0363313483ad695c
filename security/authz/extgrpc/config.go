// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package extgrpc

import (
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/headername"
)

// Config says how the authorizer is asked. Names and meaning are those of Istio's
// envoyExtAuthzGrpc provider where it has them. The zero value sends all headers and fails
// closed.
type Config struct {
	// Timeout is how long a call waits for the authorizer at most. 0 is 1 s (Istio's is
	// 600 s); negative and above 10 min is refused.
	Timeout time.Duration
	// FailOpen lets calls through while the authorizer does not answer. The default refuses
	// them with StatusOnError.
	FailOpen bool
	// StatusOnError is the HTTP status of calls that are refused without the authorizer's
	// word. 0 is 403; what is not 400 to 599 is refused.
	StatusOnError int
	// IncludeRequestHeadersInCheck are the headers of the call that the authorizer is sent:
	// names, "prefix*" and "*suffix", without regard to case. nil is all, as Envoy's filter
	// has it, Authorization and Cookie among them.
	IncludeRequestHeadersInCheck []string
	// IncludePeerCertificate sends the caller's certificate, URL-encoded PEM, with its ID.
	IncludePeerCertificate bool
	// ContextExtensions are sent with every question (context_extensions).
	ContextExtensions map[string]string
	// Recorder is told of every call that is decided without the authorizer's word. It may
	// be nil.
	Recorder enmesh.Recorder
}

const maxTimeout = 10 * time.Minute

// compiled is a Config as calls need it.
type compiled struct {
	Config
	include headername.List
}

func (cfg Config) compile() (*compiled, error) {
	k := &compiled{Config: cfg}
	switch {
	case cfg.Timeout < 0 || cfg.Timeout > maxTimeout:
		return nil, fmt.Errorf("extgrpc: Timeout %v is not within 0 to %v", cfg.Timeout, maxTimeout)
	case cfg.StatusOnError != 0 && (cfg.StatusOnError < 400 || cfg.StatusOnError > 599):
		return nil, fmt.Errorf("extgrpc: StatusOnError %d is not within 400 to 599", cfg.StatusOnError)
	}
	if k.Timeout == 0 {
		k.Timeout = time.Second
	}
	if k.StatusOnError == 0 {
		k.StatusOnError = http.StatusForbidden
	}
	k.ContextExtensions = maps.Clone(cfg.ContextExtensions)
	include := cfg.IncludeRequestHeadersInCheck
	if include == nil {
		include = []string{"*"}
	}
	var err error
	if k.include, err = headername.Parse(include); err != nil {
		return nil, fmt.Errorf("extgrpc: IncludeRequestHeadersInCheck: %w", err)
	}
	return k, nil
}

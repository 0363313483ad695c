// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Servers says where Redis is: one address is a server alone; several are nodes of a
// cluster; with Master, they are Sentinels.
type Servers struct {
	Addrs   []string // "host:port"
	Master  string   // the name under which Sentinels know the master
	Cluster bool     // of a cluster even with one address

	DB  int         // not for a cluster
	TLS *tls.Config // nil: plaintext

	// Credentials are asked for by each new connection, so that they may be changed while
	// the program runs. nil: Redis asks for none. Sentinels that ask for some need a client
	// of the caller's own making.
	Credentials func(ctx context.Context) (username, password string, err error)
}

// Connect makes a client that suits a quota: it heeds the deadline of each call, does not
// wait long for a connection, asks a second time at most, and does not ask the server for
// notices of maintenance, for which a client would look up addresses when it is made. It
// does not connect yet. The caller closes it.
func Connect(s Servers) (redis.UniversalClient, error) {
	if len(s.Addrs) == 0 {
		return nil, errors.New("redislimit: there is no address of Redis")
	}
	if s.Cluster && s.Master != "" {
		return nil, errors.New("redislimit: a cluster has no Sentinels")
	}
	return redis.NewUniversalClient(s.options()), nil
}

// options are those of a client that suits a quota.
func (s Servers) options() *redis.UniversalOptions {
	return &redis.UniversalOptions{
		Addrs: s.Addrs, MasterName: s.Master, IsClusterMode: s.Cluster, DB: s.DB,
		TLSConfig: s.TLS, CredentialsProviderContext: s.Credentials,
		ContextTimeoutEnabled: true,
		DialTimeout:           time.Second,
		DialerRetries:         1,
		ReadTimeout:           time.Second,
		WriteTimeout:          time.Second,
		PoolTimeout:           100 * time.Millisecond,
		MaxRetries:            1,
		MinRetryBackoff:       time.Millisecond,
		MaxRetryBackoff:       2 * time.Millisecond,

		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/balance"
)

// connectionOf is how a connectionPool block has instances connected to. What it leaves
// out is 0: enmesh's own default.
func connectionOf(p *networking.ConnectionPoolSettings) balance.ConnectionConfig {
	tcp, http := p.GetTcp(), p.GetHttp()
	cfg := balance.ConnectionConfig{
		MaxConnections:           int(tcp.GetMaxConnections()),
		ConnectTimeout:           tcp.GetConnectTimeout().AsDuration(),
		MaxAge:                   tcp.GetMaxConnectionDuration().AsDuration(),
		ProbeIdle:                tcp.GetTcpKeepalive().GetTime().AsDuration(),
		ProbeInterval:            tcp.GetTcpKeepalive().GetInterval().AsDuration(),
		Probes:                   int(tcp.GetTcpKeepalive().GetProbes()),
		MaxPending:               int(http.GetHttp1MaxPendingRequests()),
		MaxRequestsPerConnection: int(http.GetMaxRequestsPerConnection()),
		MaxStreams:               int(http.GetMaxConcurrentStreams()),
		PingInterval:             http.GetHttp2KeepAlive().GetInterval().AsDuration(),
		PingTimeout:              http.GetHttp2KeepAlive().GetTimeout().AsDuration(),
	}
	switch {
	case http.GetIdleTimeout() != nil:
		cfg.IdleTimeout = http.GetIdleTimeout().AsDuration()
	case tcp.GetIdleTimeout() != nil:
		if cfg.IdleTimeout = tcp.GetIdleTimeout().AsDuration(); cfg.IdleTimeout == 0 {
			cfg.IdleTimeout = -1 // for ever
		}
	}
	switch http.GetH2UpgradePolicy() {
	case networking.ConnectionPoolSettings_HTTPSettings_UPGRADE:
		cfg.Protocol = balance.HTTP2
	case networking.ConnectionPoolSettings_HTTPSettings_DO_NOT_UPGRADE:
		cfg.Protocol = balance.HTTP1
	case networking.ConnectionPoolSettings_HTTPSettings_DEFAULT:
	}
	return cfg
}

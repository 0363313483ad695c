// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// Check is how Consul learns that an instance is well. The zero value is a TTL of
// 15 s: the instance says so itself, every 5 s.
type Check struct {
	// TTL is how long the instance may be silent before it is critical. It says that
	// it is well every third of that. 0 means 15 s; at least 1 s. Not used with HTTP or
	// GRPC.
	TTL time.Duration
	// HTTP has the agent get this URL: "http://127.0.0.1:9090/readyz", or only a path,
	// which is asked of the instance's own address. It must answer 2xx.
	HTTP string
	// GRPC has the agent call the gRPC health service, at host:port, host:port/service
	// or, with only "/" or "/service", the instance's own address.
	GRPC string
	// TLS makes a path in HTTP https, and GRPC speak TLS; SkipVerify does not check the
	// certificate, which an agent outside the mesh cannot.
	TLS, SkipVerify bool
	// Interval is how often the agent asks, 0 meaning 10 s; Timeout how long it waits,
	// 0 meaning half of that. With HTTP and GRPC an instance is critical until the
	// agent has asked once.
	Interval, Timeout time.Duration
	// DeregisterAfter is when an instance that stays critical is forgotten. 0 means
	// 10 min, less than 0 never. Consul takes no less than 1 min.
	DeregisterAfter time.Duration
}

func (c *Check) complete() error {
	set(&c.TTL, 15*time.Second)
	set(&c.Interval, 10*time.Second)
	set(&c.Timeout, c.Interval/2)
	set(&c.DeregisterAfter, 10*time.Minute)
	switch {
	case c.HTTP != "" && c.GRPC != "":
		return errors.New("consul: Check.HTTP and Check.GRPC are both set; keep one")
	case c.TTL < time.Second:
		return fmt.Errorf("consul: Check.TTL is %v; it is at least 1s", c.TTL)
	case c.Interval < 0 || c.Timeout < 0:
		return fmt.Errorf("consul: Check.Interval is %v and Check.Timeout %v; neither may be negative", c.Interval, c.Timeout)
	case c.DeregisterAfter > 0 && c.DeregisterAfter < time.Minute:
		return fmt.Errorf("consul: Check.DeregisterAfter is %v; Consul takes no less than 1m", c.DeregisterAfter)
	}
	return nil
}

// byTTL reports whether the instance has to say itself that it is well.
func (c *Check) byTTL() bool { return c.HTTP == "" && c.GRPC == "" }

// beat is how often a registration is looked after: TTL/3, or Interval.
func (c *Check) beat() time.Duration {
	if c.byTTL() {
		return c.TTL / 3
	}
	return c.Interval
}

// define is the check of an instance at addr (host:port).
func (c *Check) define(id, addr string) *api.AgentServiceCheck {
	out := &api.AgentServiceCheck{CheckID: checkID(id)}
	if c.DeregisterAfter > 0 {
		out.DeregisterCriticalServiceAfter = c.DeregisterAfter.String()
	}
	if c.byTTL() {
		out.Name, out.TTL, out.Status = "heartbeat", c.TTL.String(), api.HealthPassing
		return out
	}
	out.Interval, out.Timeout = c.Interval.String(), c.Timeout.String()
	out.TLSSkipVerify = c.SkipVerify
	if c.GRPC != "" {
		out.Name, out.GRPC, out.GRPCUseTLS = "gRPC health", c.GRPC, c.TLS
		if strings.HasPrefix(c.GRPC, "/") {
			out.GRPC = strings.TrimSuffix(addr+c.GRPC, "/")
		}
		return out
	}
	out.Name, out.HTTP = "HTTP health", c.HTTP
	if strings.HasPrefix(c.HTTP, "/") {
		scheme := "http://"
		if c.TLS {
			scheme = "https://"
		}
		out.HTTP = scheme + addr + c.HTTP
	}
	return out
}

func checkID(id string) string { return "service:" + id }

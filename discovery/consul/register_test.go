// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/consul"
)

func reviews() discovery.Instance {
	return discovery.Instance{
		Service:  "reviews",
		ID:       "reviews-v1-0",
		Endpoint: discovery.Endpoint{Addrs: []string{"10.0.0.7:9080"}, Version: "v1"},
	}
}

// announce registers on a goroutine; end ends the registration and gives its result.
func announce(r discovery.Registrar, in discovery.Instance) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- r.Register(ctx, in) }()
	return func() error {
		cancel()
		return <-result
	}
}

// only is the ID of the only registration, or "".
func only(t *testing.T, f *fake) string {
	t.Helper()
	all := f.registrations()
	if len(all) > 1 {
		t.Fatalf("registrations = %v, want one at most", all)
	}
	for id := range all {
		return id
	}
	return ""
}

func TestRule13_whatIsRegisteredIsComparedByContent(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		var told events
		cfg := f.config()
		cfg.OnEvent = told.add
		r := open(t, cfg)
		defer r.Close()
		end := announce(r, reviews())
		after(0)
		id := only(t, f)
		edit := func(key string, value any) {
			f.mu.Lock()
			f.agent[id][key] = value
			f.mu.Unlock()
			after(2 * time.Minute)
		}
		edit("ContentHash", "fffe")
		edit("ModifyIndex", 1)
		if n := told.count(consul.Lost); n != 0 {
			t.Errorf("lost %d times by another hash or index, want never", n)
		}
		edit("Port", 1)
		edit("Meta", map[string]string{"version": "v666"})
		if n := told.count(consul.Lost); n != 2 {
			t.Errorf("lost %d times by another port and other metadata, want twice", n)
		}
		def := f.registrations()[id]
		if def["Port"] != 9080.0 || def["Meta"].(map[string]any)["version"] != "v1" {
			t.Errorf("registered is %v, want what was announced", def)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestRule17_aRegistrationIsHeldAndWithdrawn(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		var told events
		cfg := f.config()
		cfg.OnEvent = told.add
		r := open(t, cfg)
		defer r.Close()
		end := announce(r, reviews())
		after(0)
		id := only(t, f)
		if !strings.HasPrefix(id, "reviews-v1-0-") || len(id) != len("reviews-v1-0-")+8 {
			t.Errorf("ID = %q, want a part of this process's own", id)
		}
		check := f.registrations()[id]["Check"].(map[string]any)
		if check["TTL"] != "15s" || check["DeregisterCriticalServiceAfter"] != "10m0s" {
			t.Errorf("check = %v, want a TTL of 15 s", check)
		}
		after(time.Minute)
		if f.beats < 12 || f.beats > 15 {
			t.Errorf("%d heartbeats in a minute, want one in 4.5 to 5 s", f.beats)
		}
		f.forget() // an agent that starts anew has no registrations
		after(5 * time.Second)
		if only(t, f) != id || told.count(consul.Lost) != 1 {
			t.Errorf("registered is %q, lost told %d times; want the same again, once", only(t, f), told.count(consul.Lost))
		}
		f.kill()
		after(time.Minute)
		f.forget()
		f.revive()
		after(2 * time.Second)
		if only(t, f) != id {
			t.Error("not registered 2 s after the agent has come back")
		}
		f.mu.Lock()
		f.agent["reviews-v1-0-deadbeef"] = map[string]any{"ID": "reviews-v1-0-deadbeef"} // of a killed predecessor
		f.mu.Unlock()
		if err := end(); err != nil {
			t.Error(err)
		}
		if got := only(t, f); got != "reviews-v1-0-deadbeef" {
			t.Errorf("left is %q, want only another's registration", got)
		}
	})
}

func TestRule17_eachStartHasItsOwnID(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		one, two := open(t, f.config()), open(t, f.config())
		defer one.Close()
		defer two.Close()
		endOne, endTwo := announce(one, reviews()), announce(two, reviews())
		after(0)
		if n := len(f.registrations()); n != 2 {
			t.Errorf("%d registrations of two processes, want 2", n)
		}
		if err := errors.Join(endOne(), endTwo()); err != nil {
			t.Error(err)
		}
	})
}

func TestRule17_anAgentsOwnCheckNeedsNoHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		cfg := f.config()
		cfg.Check = consul.Check{GRPC: "/", TLS: true}
		r := open(t, cfg)
		defer r.Close()
		end := announce(r, reviews())
		after(time.Minute)
		check := f.registrations()[only(t, f)]["Check"].(map[string]any)
		if check["GRPC"] != "10.0.0.7:9080" || fmt.Sprint(check["GRPCUseTLS"]) != "true" || check["Interval"] != "10s" || check["Status"] != nil {
			t.Errorf("check = %v", check)
		}
		f.forget()
		after(10 * time.Second)
		check = f.registrations()[only(t, f)]["Check"].(map[string]any)
		if f.beats != 0 || check["Status"] != "passing" {
			t.Errorf("%d heartbeats, check %v; want none, and well at once when registered again", f.beats, check)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestRegister_goesOnTryingAndSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		var denied atomic.Bool
		denied.Store(true)
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if denied.Load() && strings.HasPrefix(r.URL.Path, "/v1/agent/") {
				http.Error(w, "Permission denied", http.StatusForbidden)
				return true
			}
			return false
		})
		var told events
		cfg := f.config()
		cfg.OnEvent = told.add
		r := open(t, cfg)
		defer r.Close()
		end := announce(r, reviews())
		after(time.Minute)
		if n := told.count(consul.Unregistered); n != 1 {
			t.Errorf("told %d times of the failure, want once", n)
		}
		denied.Store(false)
		after(10 * time.Second)
		if only(t, f) == "" {
			t.Error("not registered after the token was given its right")
		}
		f.kill()
		begin := time.Now()
		err := end()
		if took := time.Since(begin); err == nil || took > 6*time.Second {
			t.Errorf("withdrawing from a dead agent = %v after %v, want an error within 5 s", err, took)
		}
	})
}

func TestRegister_refusesWhatConsulWould(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		r := open(t, f.config())
		defer r.Close()
		for name, edit := range map[string]func(*discovery.Instance){
			"no service":           func(in *discovery.Instance) { in.Service = "" },
			"a service with /":     func(in *discovery.Instance) { in.Service = "a/b" },
			"no address":           func(in *discovery.Instance) { in.Addrs = nil },
			"no port":              func(in *discovery.Instance) { in.Addrs = []string{"10.0.0.7"} },
			"port 0":               func(in *discovery.Instance) { in.Addrs = []string{"10.0.0.7:0"} },
			"everywhere":           func(in *discovery.Instance) { in.Addrs = []string{"[::]:80"} },
			"too heavy":            func(in *discovery.Instance) { in.Weight = 70000 },
			"long value":           func(in *discovery.Instance) { in.Version = strings.Repeat("v", 600) },
			"a label that is ours": func(in *discovery.Instance) { in.Labels = map[string]string{"namespace": "x"} },
			"a label with =":       func(in *discovery.Instance) { in.Labels = map[string]string{"a=b": "x"} },
			"a bad metadata key":   func(in *discovery.Instance) { in.Metadata = map[string]string{"a.b": "x"} },
			"ports alike": func(in *discovery.Instance) {
				in.Ports = []discovery.Port{{Number: 80}, {Number: 80, Protocol: "grpc"}}
			},
		} {
			in := reviews()
			edit(&in)
			if err := r.Register(t.Context(), in); err == nil {
				t.Errorf("%s: Register = nil, want an error at once", name)
			}
		}
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			http.Error(w, "Invalid check: no", http.StatusBadRequest)
			return true
		})
		if err := r.Register(t.Context(), reviews()); err == nil || !strings.Contains(err.Error(), "Invalid check") {
			t.Errorf("Register = %v, want Consul's own refusal", err)
		}
	})
}

func TestConfig_refusesWhatMakesNoSense(t *testing.T) {
	for name, cfg := range map[string]consul.Config{
		"negative wait":      {Wait: -1},
		"long wait":          {Wait: time.Hour},
		"negative burst":     {Pace: consul.Pace{Burst: -1}},
		"negative backoff":   {Backoff: consul.Backoff{Cap: -1}},
		"two tokens":         {Token: "a", TokenFile: "b"},
		"nameless tag":       {Tags: []string{""}},
		"nameless place":     {Datacenters: []string{"a", ""}},
		"two checks":         {Check: consul.Check{HTTP: "/a", GRPC: "/"}},
		"short TTL":          {Check: consul.Check{TTL: time.Millisecond}},
		"hasty forgetting":   {Check: consul.Check{DeregisterAfter: time.Second}},
		"negative interval":  {Check: consul.Check{Interval: -1}},
		"an address of what": {Address: "gopher://consul:8500"},
	} {
		if r, err := consul.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "consul: ") {
			t.Errorf("%s: New = %v, %v; want an error", name, r, err)
		}
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// consulRoutes are the paths beside the health endpoint, each with its honest answer.
var consulRoutes = map[string]func(*Consul, *http.Request) consulAnswer{
	"GET /v1/agent/self":                        (*Consul).agentSelf,
	"GET /v1/agent/services":                    (*Consul).agentServices,
	"GET /v1/agent/service/{id}":                (*Consul).agentService,
	"GET /v1/agent/checks":                      (*Consul).agentChecks,
	"PUT /v1/agent/service/register":            (*Consul).agentRegister,
	"PUT /v1/agent/service/deregister/{id...}":  (*Consul).agentDeregister,
	"PUT /v1/agent/service/maintenance/{id...}": (*Consul).agentMaintain,
	"PUT /v1/agent/check/update/{id...}":        (*Consul).checkUpdate,
	"PUT /v1/agent/check/pass/{id...}":          checkSet("passing"),
	"PUT /v1/agent/check/warn/{id...}":          checkSet("warning"),
	"PUT /v1/agent/check/fail/{id...}":          checkSet("critical"),
	"GET /v1/status/leader":                     (*Consul).leader,
	"GET /v1/catalog/datacenters":               (*Consul).catalogDatacenters,
	"GET /v1/catalog/services":                  (*Consul).catalogServices,
}

// consulMux leads requests to their handlers.
func (c *Consul) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/health/service/{service}", func(w http.ResponseWriter, r *http.Request) {
		a, reply := c.health(r)
		a.send(w, r, reply)
	})
	for pattern, answer := range consulRoutes {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			c.mu.Lock()
			reply := c.take(r.URL.Path)
			a := textAnswer(http.StatusInternalServerError, "scripted")
			if reply == nil || reply.Status < 400 && (!reply.Hang || reply.Cut > 0) {
				a = answer(c, r)
			}
			c.mu.Unlock()
			a.send(w, r, reply)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		reply := c.take(r.URL.Path)
		c.mu.Unlock()
		textAnswer(http.StatusNotFound, "enmeshtest: no "+r.Method+" "+r.URL.Path+" in this registry").send(w, r, reply)
	})
	return mux
}

// The functions below hold c.mu.

// agentSelf says who the agent is, as far as clients look.
func (c *Consul) agentSelf(*http.Request) consulAnswer {
	return jsonAnswer(map[string]any{
		"Config": map[string]any{
			"Datacenter": consulDatacenter, "PrimaryDatacenter": consulDatacenter, "NodeName": consulNode,
			"Server": true, "Version": "1.16.3",
		},
		"DebugConfig": map[string]any{"ACLsEnabled": false, "ACLResolverSettings": map[string]any{"ACLDefaultPolicy": "allow"}},
		"Member":      map[string]any{"Name": consulNode, "Addr": "127.0.0.1", "Status": 1},
	})
}

func (c *Consul) agentServices(*http.Request) consulAnswer {
	all := make(map[string]consulAgentRow)
	for _, r := range c.registered() {
		all[r.in.ID] = r.row()
	}
	return jsonAnswer(all)
}

func (c *Consul) agentService(r *http.Request) consulAnswer {
	reg := c.agent[r.PathValue("id")]
	if reg == nil {
		return textAnswer(http.StatusNotFound, "unknown service ID: "+r.PathValue("id"))
	}
	row := reg.hashedRow()
	a := jsonAnswer(row)
	a.header.Set("X-Consul-ContentHash", row.ContentHash)
	return a
}

func (c *Consul) agentChecks(*http.Request) consulAnswer {
	all := make(map[string]consulCheckRow)
	for _, r := range c.registered() {
		for _, row := range r.instance().checks(consulNode, r.name, 0) {
			if row.ServiceID != "" {
				all[row.CheckID] = row
			}
		}
	}
	return jsonAnswer(all)
}

func (c *Consul) agentRegister(r *http.Request) consulAnswer {
	var def consulDefinition
	if err := json.NewDecoder(r.Body).Decode(&def); err != nil {
		return textAnswer(http.StatusBadRequest, "Request decode failed: "+err.Error())
	}
	if def.Name == "" {
		return textAnswer(http.StatusBadRequest, "Missing service name")
	}
	c.register(def)
	return okAnswer()
}

func (c *Consul) agentDeregister(r *http.Request) consulAnswer {
	if !c.deregister(r.PathValue("id")) {
		return textAnswer(http.StatusNotFound, "Unknown service ID "+strconv.Quote(r.PathValue("id"))+". Ensure that the service ID is passed, not the service name.")
	}
	return okAnswer()
}

func (c *Consul) agentMaintain(r *http.Request) consulAnswer {
	reg := c.agent[r.PathValue("id")]
	if reg == nil {
		return textAnswer(http.StatusNotFound, "Unknown service ID "+strconv.Quote(r.PathValue("id")))
	}
	reg.maintained = r.URL.Query().Get("enable") == "true"
	c.bump(consulDatacenter, reg.name)
	return okAnswer()
}

func (c *Consul) checkUpdate(r *http.Request) consulAnswer {
	var update struct{ Status, Output string }
	if err := json.NewDecoder(r.Body).Decode(&update); err != nil {
		return textAnswer(http.StatusBadRequest, "Request decode failed: "+err.Error())
	}
	return c.setCheck(r.PathValue("id"), update.Status, update.Output)
}

func checkSet(status string) func(*Consul, *http.Request) consulAnswer {
	return func(c *Consul, r *http.Request) consulAnswer {
		return c.setCheck(r.PathValue("id"), status, r.URL.Query().Get("note"))
	}
}

func (c *Consul) setCheck(id, status, output string) consulAnswer {
	switch status {
	case "passing", "warning", "critical":
	default:
		return textAnswer(http.StatusBadRequest, "Invalid check status: '"+status+"'")
	}
	for _, reg := range c.agent {
		if check := reg.check(id); check != nil {
			c.update(reg, check, status, output)
			check.rearm()
			return okAnswer()
		}
	}
	return textAnswer(http.StatusNotFound, "Unknown check ID "+strconv.Quote(id)+". Ensure that the check ID is passed, not the check name.")
}

func (c *Consul) leader(*http.Request) consulAnswer { return jsonAnswer("127.0.0.1:8300") }

func (c *Consul) catalogDatacenters(*http.Request) consulAnswer { return jsonAnswer(c.datacenters()) }

func (c *Consul) catalogServices(r *http.Request) consulAnswer {
	dc := r.URL.Query().Get("dc")
	if dc == "" {
		dc = consulDatacenter
	}
	all := map[string][]string{"consul": {}}
	for key, s := range c.services {
		if key.datacenter == dc && len(s.instances) > 0 {
			all[key.name] = []string{}
		}
	}
	for _, reg := range c.registered() {
		all[reg.name] = []string{}
	}
	a := jsonAnswer(all)
	a.header.Set("X-Consul-Index", strconv.FormatUint(c.index, 10))
	return a
}

// okAnswer is that of a change.
func okAnswer() consulAnswer {
	return consulAnswer{status: http.StatusOK, header: http.Header{}, body: []byte{}}
}

// parseTTL reads a duration as Consul does; what is not one is none.
func parseTTL(text string) time.Duration {
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		return 0
	}
	return d
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/agent/xds"
)

// rejected is the state of a resource that a client refuses.
var rejected = xds.Rejected.String()

// table prints a status for people.
func table(out io.Writer, s *agent.Status, all bool) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	state := "waits for its sources"
	if s.Ready {
		state = "answers"
	}
	say(w, "agent\t%s, since %s\n", state, moment(s.Since))
	say(w, "policy\t%d documents, version %s, in force since %s\n", s.Policy.Documents, orNone(s.Policy.Version), moment(s.Policy.Applied))
	if s.Policy.Restored {
		say(w, "\tfrom disk: no newer policy was read yet\n")
	}
	if len(s.Services) > 0 {
		say(w, "\nSERVICE\tSTATE\tENDPOINTS\tKEPT\tSTALE\n")
	}
	for i := range s.Services {
		v := &s.Services[i]
		say(w, "%s\t%s\t%d\t%d\t%v\n", v.Service, v.State, v.Endpoints, v.Kept, seconds(v.Staleness))
	}
	if len(s.Certificates) > 0 {
		say(w, "\nCERTIFICATE\tIDENTITY\tENDS IN\tROTATIONS\n")
	}
	for i := range s.Certificates {
		c := &s.Certificates[i]
		say(w, "%s\t%s\t%v\t%d\n", c.Dir, orNone(c.Identity.String()), seconds(c.Left), c.Rotations)
	}
	clients(w, s, all)
	lines(w, "NOT AS WRITTEN", s.Notes)
	for _, language := range slices.Sorted(maps.Keys(s.Verdicts)) {
		lines(w, "WHAT "+language+" DOES NOT DO AS WRITTEN", s.Verdicts[language])
	}
	_ = w.Flush() // who reads may be gone
}

// lines prints a list below its title, and nothing when it is empty.
func lines(w io.Writer, title string, list []string) {
	if len(list) == 0 {
		return
	}
	say(w, "\n%s\n", title)
	for _, one := range list {
		say(w, "%s\n", one)
	}
}

// clients prints who is connected, and what they make of what they get.
func clients(w io.Writer, s *agent.Status, all bool) {
	if len(s.Clients) == 0 {
		say(w, "\nno client is connected\n")
		return
	}
	say(w, "\nCLIENT\tGRPC\tVERSION\tNAMESPACE\tLOCALITY\tACK\tNACK\n")
	for i := range s.Clients {
		c := &s.Clients[i]
		say(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\n", c.ID, c.Language, orNone(c.Version), orNone(c.Namespace), orNone(c.Locality), c.Accepted, c.Rejected)
	}
	if !all {
		return
	}
	say(w, "\nCLIENT\tKIND\tRESOURCE\tSTATE\tVERSION\n")
	for i := range s.Clients {
		for _, r := range s.Clients[i].Resources {
			say(w, "%s\t%s\t%s\t%s\t%s\n", s.Clients[i].ID, r.Kind, r.Name, r.State, orNone(r.Version))
		}
	}
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}

func orNone(s string) string { return cmp.Or(s, "-") }

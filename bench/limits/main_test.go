// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// sound are the groups less what the race detector finds at fault: go-zero's breaker, where
// it refuses, reads how many errors it remembers without its lock (go-zero's pull request
// 5775). It only sizes a slice by them, so that the row is measured all the same.
func sound(all []group) []group {
	if !raceEnabled {
		return all
	}
	for i := range all {
		if all[i].Name == "breaker, call refused" {
			all[i].Rows = slices.DeleteFunc(all[i].Rows, func(r row) bool { return r.Name == "go-zero" })
		}
	}
	return all
}

// Every row does what its name says, and ours allocate nothing that is not said. Where the program has a
// million keys, a thousand show it.
func TestRun_allRowsWork(t *testing.T) {
	all := sound(groups(1 << 10))
	found, err := run(t.Context(), config{Groups: all, Rounds: 1, Window: time.Microsecond, Least: 200})
	if err != nil {
		t.Fatal(err)
	}
	var table, short strings.Builder
	write(&table, found)
	writeShort(&short, found)
	i := 0
	for _, g := range all {
		for _, row := range g.Rows {
			r := found[i]
			i++
			if !strings.Contains(table.String(), "| "+row.Title) {
				t.Errorf("%s, %s: not in the table", g.Name, row.Title)
			}
			ours := row.Versus != "" && strings.HasPrefix(row.Title, "enmesh")
			if line := "| " + g.Name + ": " + strings.TrimPrefix(row.Title, "enmesh ") + " | " + r.Versus + " |"; ours != strings.Contains(short.String(), line) {
				t.Errorf("%s, %s: in the short table: %v, want %v", g.Name, row.Title, !ours, ours)
			}
			if low, high := 0.99, 1.0; row.Refuses {
				if r.Admitted > 0.1 {
					t.Errorf("%s, %s: %.3f of the calls were admitted, want next to none", g.Name, row.Title, r.Admitted)
				}
			} else if r.Admitted < low || r.Admitted > high {
				t.Errorf("%s, %s: %.3f of the calls were admitted, want all", g.Name, row.Title, r.Admitted)
			}
			if strings.HasPrefix(row.Title, "enmesh") && r.Allocs > row.Allocs+0.2 {
				t.Errorf("%s, %s: %v allocations, want at most %v", g.Name, row.Title, r.Allocs, row.Allocs)
			}
			if r.One.NS.Median <= 0 || r.Two.NS.Median <= 0 || (row.Versus != "") != (r.One.Ratio != nil) {
				t.Errorf("%s, %s: %+v", g.Name, row.Title, r)
			}
		}
	}
}

func TestCommand_writesWhatItFound(t *testing.T) {
	var out bytes.Buffer
	if err := command(t.Context(), []string{"-rounds", "1", "-groups", "^retry b", "-json"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var got []Result
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Row != "deposit" || got[1].Row != "refused" {
		t.Errorf("found %+v, want deposit and refused", got)
	}
	for names, want := range map[string]string{"nothing": `no group matches "nothing"`, "(": "limits: groups: "} {
		if err := command(t.Context(), []string{"-groups", names}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("groups %q: %v, want %s", names, err, want)
		}
	}
}

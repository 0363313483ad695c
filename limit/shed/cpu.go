// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
)

// reading is how much CPU was used up to a moment, and how much could have been.
type reading struct {
	used, could time.Duration
	ok          bool
}

// since is the part that was used between before and r, or negative if that is not known.
func (r reading) since(before reading) float64 {
	if !r.ok || !before.ok || r.could <= before.could || r.used < before.used {
		return -1
	}
	return float64(r.used-before.used) / float64(r.could-before.could)
}

// meter reads the CPU from somewhere.
type meter interface {
	name() string
	read() reading
}

// findMeter takes the first that can be read: the quota of a control group, the machine.
func findMeter(root fs.FS) meter {
	if m := findCgroup(root); m != nil {
		return m
	}
	if m := (machine{root}); m.read().ok {
		return m
	}
	return unknown{}
}

// unknown is where nothing can be read.
type unknown struct{}

func (unknown) name() string  { return "" }
func (unknown) read() reading { return reading{} }

// machine reads /proc/stat (proc_pid_stat(5), proc_stat(5)).
type machine struct{ root fs.FS }

func (machine) name() string { return "proc" }

// The columns of the line "cpu": user, nice, system, idle, iowait, irq, softirq, steal, in
// ticks. Guest time, which follows, is in user's already.
const (
	idleColumn   = 3
	iowaitColumn = 4
	columns      = 8
)

func (m machine) read() reading {
	line, _, _ := strings.Cut(text(m.root, "proc/stat"), "\n")
	fields := strings.Fields(line)
	if len(fields) <= iowaitColumn+1 || fields[0] != "cpu" {
		return reading{}
	}
	r := reading{ok: true}
	for i, field := range fields[1:min(len(fields), columns+1)] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return reading{}
		}
		r.could += time.Duration(n) // ticks: only the ratio is read
		if i != idleColumn && i != iowaitColumn {
			r.used += time.Duration(n)
		}
	}
	return r
}

// cgroup reads the time that a control group has used, and holds it against its quota.
type cgroup struct {
	version string
	root    fs.FS
	file    string
	usage   func(text string) (time.Duration, bool)
	cpus    float64 // of the quota
}

func (g *cgroup) name() string { return g.version }

func (g *cgroup) read() reading {
	used, ok := g.usage(text(g.root, g.file))
	could := float64(enmesh.Now()) * g.cpus
	return reading{used: used, could: time.Duration(could), ok: ok}
}

// limited is the number of CPUs of a quota, or 0 if the quota is no limit here.
func limited(quota, period string) float64 {
	q, err := strconv.ParseFloat(quota, 64)
	if err != nil || q <= 0 {
		return 0
	}
	p, err := strconv.ParseFloat(period, 64)
	if err != nil || p <= 0 {
		return 0
	}
	if cpus := q / p; cpus < float64(runtime.NumCPU()) {
		return cpus
	}
	return 0
}

// text is a file's content, without the space around it, or "".
func text(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

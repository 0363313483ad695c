// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// mounts is where control groups are found.
const mounts = "sys/fs/cgroup"

// findCgroup is the group with the tightest quota that the program is in, or nil.
func findCgroup(root fs.FS) meter {
	var best *cgroup
	for line := range strings.Lines(text(root, "proc/self/cgroup")) {
		// hierarchy:controllers:path (cgroups(7)); version 2 has "0" and no controllers
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		var open func(fs.FS, string) *cgroup
		switch {
		case parts[0] == "0" && parts[1] == "":
			open = openV2
		case has(parts[1], "cpu"):
			open = openV1
		default:
			continue
		}
		for dir := range upward(parts[2]) {
			if g := open(root, dir); g != nil && (best == nil || g.cpus < best.cpus) {
				best = g
			}
		}
	}
	if best == nil || !best.read().ok {
		return nil
	}
	return best
}

func has(list, one string) bool {
	for s := range strings.SplitSeq(list, ",") {
		if s == one {
			return true
		}
	}
	return false
}

// upward is a path and every one above it; the last is ".". In a container the path may
// be the host's, and only "." be there.
func upward(dir string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		dir = strings.TrimPrefix(path.Clean("/"+dir), "/")
		for ; dir != "" && dir != "."; dir = path.Dir(dir) {
			if !yield(dir) {
				return
			}
		}
		yield(".")
	}
}

// openV2 is a group of version 2 that has a quota, or nil.
func openV2(root fs.FS, dir string) *cgroup {
	dir = path.Join(mounts, dir)
	quota := strings.Fields(text(root, path.Join(dir, "cpu.max"))) // "max 100000", "150000 100000"
	if len(quota) != 2 {
		return nil
	}
	cpus := limited(quota[0], quota[1])
	if cpus == 0 {
		return nil
	}
	return &cgroup{version: "cgroup2", root: root, file: path.Join(dir, "cpu.stat"), usage: usageV2, cpus: cpus}
}

// usageV2 reads the line "usage_usec" of cpu.stat.
func usageV2(stat string) (time.Duration, bool) {
	for line := range strings.Lines(stat) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "usage_usec "); ok {
			return count(n, time.Microsecond)
		}
	}
	return 0, false
}

// openV1 is a group of version 1 that has a quota, or nil. The controllers cpu and
// cpuacct are mounted together, under their own names, which are links, or both.
func openV1(root fs.FS, dir string) *cgroup {
	for _, at := range []string{"cpu", "cpu,cpuacct", "cpuacct,cpu"} {
		dir := path.Join(mounts, at, dir)
		cpus := limited(text(root, path.Join(dir, "cpu.cfs_quota_us")), text(root, path.Join(dir, "cpu.cfs_period_us")))
		if cpus == 0 {
			continue
		}
		return &cgroup{version: "cgroup1", root: root, file: usageFile(root, at, dir), usage: usageV1, cpus: cpus}
	}
	return nil
}

// usageFile is cpuacct.usage beside the quota, or where cpuacct is mounted by itself.
func usageFile(root fs.FS, at, dir string) string {
	file := path.Join(dir, "cpuacct.usage")
	if text(root, file) != "" {
		return file
	}
	return path.Join(mounts, "cpuacct", strings.TrimPrefix(dir, path.Join(mounts, at)), "cpuacct.usage")
}

func usageV1(usage string) (time.Duration, bool) { return count(usage, time.Nanosecond) }

func count(n string, unit time.Duration) (time.Duration, bool) {
	v, err := strconv.ParseInt(n, 10, 64)
	return time.Duration(v) * unit, err == nil
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"io/fs"
	"maps"
	"os"
	"testing"
	"testing/fstest"
	"time"

	"github.com/enmesh-go/enmesh"
)

// tree is a file system of such files.
func tree(files map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for name, content := range files {
		root[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return root
}

const (
	statLine  = "cpu  100 10 50 800 30 5 5 0 0 0\ncpu0 1 2 3\n"
	selfV2    = "0::/pods/one\n"
	selfV1    = "3:cpu,cpuacct:/pods/one\n2:memory:/elsewhere\n0::/\n"
	statV2    = "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n"
	groupsV2  = "sys/fs/cgroup/"
	groupsV1  = "sys/fs/cgroup/cpu,cpuacct/"
	mountV1   = "sys/fs/cgroup/cpu/"
	accountV1 = "sys/fs/cgroup/cpuacct/"
)

func TestFindMeter_takesTheTightestQuota(t *testing.T) {
	type files = map[string]string
	machineOnly := files{"proc/stat": statLine}
	with := func(more files) files {
		all := maps.Clone(machineOnly)
		maps.Copy(all, more)
		return all
	}
	for _, tt := range []struct {
		name  string
		files files
		want  string
		cpus  float64
		used  time.Duration
	}{
		{"nothing", files{}, "", 0, 0},
		{"the machine", machineOnly, "proc", 0, 0},
		{"version 2, no quota", with(files{
			"proc/self/cgroup": selfV2, groupsV2 + "pods/one/cpu.max": "max 100000\n", groupsV2 + "pods/one/cpu.stat": statV2,
		}), "proc", 0, 0},
		{"version 2", with(files{
			"proc/self/cgroup": selfV2, groupsV2 + "pods/one/cpu.max": "50000 100000\n", groupsV2 + "pods/one/cpu.stat": statV2,
		}), "cgroup2", 0.5, 1500 * time.Millisecond},
		{"version 2, the parent is tighter", with(files{
			"proc/self/cgroup": selfV2, groupsV2 + "pods/one/cpu.max": "50000 100000\n", groupsV2 + "pods/one/cpu.stat": statV2,
			groupsV2 + "pods/cpu.max": "20000 100000\n", groupsV2 + "pods/cpu.stat": "usage_usec 7000000\n",
		}), "cgroup2", 0.2, 7 * time.Second},
		{"version 2, the path is the host's", with(files{
			"proc/self/cgroup": selfV2, groupsV2 + "cpu.max": "80000 100000\n", groupsV2 + "cpu.stat": statV2,
		}), "cgroup2", 0.8, 1500 * time.Millisecond},
		{"version 2, more than there is", with(files{
			"proc/self/cgroup": selfV2, groupsV2 + "cpu.max": "100000000 100000\n", groupsV2 + "cpu.stat": statV2,
		}), "proc", 0, 0},
		{"version 2, no usage", with(files{
			"proc/self/cgroup": selfV2, groupsV2 + "cpu.max": "50000 100000\n", groupsV2 + "cpu.stat": "nr_periods 0\n",
		}), "proc", 0, 0},
		{"version 2, garbage", with(files{
			"proc/self/cgroup": "::\n0:\n\x00:::::\n" + selfV2, groupsV2 + "cpu.max": "-5 0\n", groupsV2 + "cpu.stat": "usage_usec x\n",
		}), "proc", 0, 0},
		{"version 1, one mount", with(files{
			"proc/self/cgroup": selfV1, groupsV1 + "pods/one/cpu.cfs_quota_us": "25000\n",
			groupsV1 + "pods/one/cpu.cfs_period_us": "100000\n", groupsV1 + "pods/one/cpuacct.usage": "2000000000\n",
		}), "cgroup1", 0.25, 2 * time.Second},
		{"version 1, two mounts", with(files{
			"proc/self/cgroup": "1:cpu:/pods/one\n", mountV1 + "pods/one/cpu.cfs_quota_us": "25000\n",
			mountV1 + "pods/one/cpu.cfs_period_us": "100000\n", accountV1 + "pods/one/cpuacct.usage": "3000000000\n",
		}), "cgroup1", 0.25, 3 * time.Second},
		{"version 1, no quota", with(files{
			"proc/self/cgroup": selfV1, mountV1 + "cpu.cfs_quota_us": "-1\n",
			mountV1 + "cpu.cfs_period_us": "100000\n", mountV1 + "cpuacct.usage": "1\n",
		}), "proc", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := findMeter(tree(tt.files))
			if m.name() != tt.want {
				t.Fatalf("it reads %q, want %q", m.name(), tt.want)
			}
			if g, ok := m.(*cgroup); ok && (g.cpus != tt.cpus || g.read().used != tt.used) {
				t.Errorf("%v CPUs, %v used; want %v and %v", g.cpus, g.read().used, tt.cpus, tt.used)
			}
		})
	}
}

func TestMachine_readsTicks(t *testing.T) {
	r := machine{tree(map[string]string{"proc/stat": statLine})}.read()
	if !r.ok || r.used != 170 || r.could != 1000 {
		t.Errorf("%d of %d ticks, want 170 of 1000", r.used, r.could)
	}
	later := machine{tree(map[string]string{"proc/stat": "cpu  150 10 50 850 30 5 5 0 0 0\n"})}.read()
	if got := later.since(r); got != 0.5 {
		t.Errorf("%v in use, want 0.5", got)
	}
	for _, before := range []reading{{}, later, {used: 1e6, could: 1, ok: true}} {
		if got := later.since(before); got >= 0 {
			t.Errorf("since %+v: %v, want not known", before, got)
		}
	}
	for _, bad := range []string{"", "cpu", "cpu 1 2 3", "cpu a b c d e f g h", "intr 1 2 3 4 5 6 7 8"} {
		if r := (machine{tree(map[string]string{"proc/stat": bad})}).read(); r.ok {
			t.Errorf("%q reads as %+v", bad, r)
		}
	}
}

// In a group with a quota of half a CPU, a quarter of a CPU is half of it.
func TestCgroup_holdsAgainstItsQuota(t *testing.T) {
	g := &cgroup{root: tree(map[string]string{"u": "250000"}), file: "u", cpus: 0.5,
		usage: func(s string) (time.Duration, bool) { return count(s, time.Microsecond) }}
	before, after := reading{ok: true}, g.read()
	if after.used != 250*time.Millisecond {
		t.Errorf("%v used, want 250 ms", after.used)
	}
	before.could = after.could - time.Second/2 // a second ago
	if got := after.since(before); got != 0.5 {
		t.Errorf("%v in use, want 0.5", got)
	}
}

func TestSmooth_keepsWhatIsKnown(t *testing.T) {
	for _, tt := range []struct{ old, now, want float64 }{{-1, -1, -1}, {-1, 0.5, 0.5}, {0.5, -1, 0.5}, {1, 0, 0.5}} {
		if got := smooth(tt.old, tt.now, 0.5); got != tt.want {
			t.Errorf("smooth(%v, %v) is %v, want %v", tt.old, tt.now, got, tt.want)
		}
	}
}

// On the files of the machine that the test runs on.
func TestFindMeter_onThisMachine(t *testing.T) {
	root := os.DirFS("/")
	if _, err := fs.Stat(root, "proc/stat"); err != nil {
		t.Skip("no /proc here")
	}
	m := findMeter(root)
	first := m.read()
	t.Logf("reads %q: %+v", m.name(), first)
	if m.name() == "" || !first.ok {
		t.Errorf("it reads %q: %+v, want something", m.name(), first)
	}
	used := -1.0
	for begin := time.Now(); used <= 0 && time.Since(begin) < 10*time.Second; { // burns CPU
		used = m.read().since(first)
	}
	if used <= 0 || used > 1.5 {
		t.Errorf("%v of the CPU is in use while a test burns it", used)
	}
}

func TestDivide_givesFromTheTop(t *testing.T) {
	for _, tt := range []struct {
		admitted float64
		arrived  [levels]int64
		want     [levels]float64
	}{
		{1, [levels]int64{1, 1, 1, 1}, [levels]float64{1, 1, 1, 1}},
		{0.5, [levels]int64{100, 100, 100, 100}, [levels]float64{0, 0, 1, 1}},
		{0.25, [levels]int64{200, 0, 200, 0}, [levels]float64{0, 0, 0.5, 1}},
		{0.5, [levels]int64{0, 0, 100, 0}, [levels]float64{0, 0, 0.5, 1}},
		{0.9, [levels]int64{100, 0, 0, 0}, [levels]float64{0.9, 1, 1, 1}},
		{0.3, [levels]int64{}, [levels]float64{0.3, 0.3, 0.3, 0.3}},
	} {
		if got := divide(tt.admitted, tt.arrived); got != tt.want {
			t.Errorf("%v of %v: got %v, want %v", tt.admitted, tt.arrived, got, tt.want)
		}
	}
}

// FuzzFindMeter gives every file that is read any content: nothing panics, and what is
// known is a number of at least 0.
func FuzzFindMeter(f *testing.F) {
	f.Add(statLine, selfV2, "50000 100000", statV2, "", "", "")
	f.Add(statLine, selfV1, "", "", "25000", "100000", "2000000000")
	f.Add("cpu 1 1 1 1 1 1", "0::/../../etc\n1:cpu:..", "1 1", "usage_usec -1", "1e300", "1e-300", "NaN")
	f.Fuzz(func(t *testing.T, stat, self, quota2, stat2, quota1, period1, usage1 string) {
		root := tree(map[string]string{
			"proc/stat": stat, "proc/self/cgroup": self,
			groupsV2 + "cpu.max": quota2, groupsV2 + "cpu.stat": stat2,
			groupsV1 + "cpu.cfs_quota_us": quota1, groupsV1 + "cpu.cfs_period_us": period1, groupsV1 + "cpuacct.usage": usage1,
		})
		m := findMeter(root)
		before := m.read()
		if g, ok := m.(*cgroup); ok && !(g.cpus > 0) {
			t.Errorf("%v CPUs", g.cpus)
		}
		if used := m.read().since(before); used < 0 && used != -1 {
			t.Errorf("%v in use", used)
		}
	})
}

// FuzzDivide holds what is divided against its sum: no level has more than arrived, none
// goes without while one below it goes, and all together are what is to be admitted.
func FuzzDivide(f *testing.F) {
	f.Add(uint16(500), uint16(10), uint16(20), uint16(30), uint16(40))
	f.Add(uint16(10), uint16(0), uint16(0), uint16(3), uint16(0))
	f.Fuzz(func(t *testing.T, part, a, b, c, d uint16) {
		admitted := float64(part%1001) / 1000
		arrived := [levels]int64{int64(a), int64(b), int64(c), int64(d)}
		parts, sum, total := divide(admitted, arrived), 0.0, int64(0)
		for i, p := range parts {
			sum += p * float64(arrived[i])
			total += arrived[i]
			if p < 0 || p > 1 {
				t.Errorf("%v of %v: level %d has %v", admitted, arrived, i, p)
			}
			if i > 0 && total > 0 && parts[i-1]*float64(arrived[i-1]) > 0 && p < 1 {
				t.Errorf("%v of %v: level %d goes before %d: %v", admitted, arrived, i-1, i, parts)
			}
		}
		if want := admitted * float64(total); sum < want-1e-6*want-1e-9 || sum > want+1e-6*want+1e-9 {
			t.Errorf("%v of %v: %v are admitted, want %v", admitted, arrived, sum, want)
		}
	})
}

func TestLucky_isAsOftenAsItSays(t *testing.T) {
	n := 0
	for range 100_000 {
		if lucky(always / 4) {
			n++
		}
	}
	if lucky(0) || !lucky(always) || n < 24_000 || n > 26_000 {
		t.Errorf("%d of 100,000, want a quarter", n)
	}
}

func TestWaits_seeWaiting(t *testing.T) {
	w := newWaits()
	if got := w.median(); got < 0 {
		t.Fatalf("the runtime does not tell: %v", got)
	}
	begin := enmesh.Now()
	for range 1000 {
		done := make(chan struct{})
		go close(done)
		<-done
	}
	got := w.median()
	t.Log(got)
	if got <= 0 || got > enmesh.Now().Sub(begin)*2 {
		t.Errorf("the median wait is %v of %v", got, enmesh.Now().Sub(begin))
	}
}

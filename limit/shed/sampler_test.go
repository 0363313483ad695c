// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed_test

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/limit/shed"
)

func TestSampler_knowsThisMachine(t *testing.T) {
	s, err := shed.NewSampler(shed.SamplerConfig{Every: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if s.Reads() == "" {
		t.Skip("the CPU cannot be read here")
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); s.Load().CPU <= 0 || s.Load().Delay < 0; <-tick.C {
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("the load is %+v, want one that is known", s.Load())
		}
	}
	t.Logf("from %s: %+v", s.Reads(), s.Load())
}

// Where nothing can be read, nothing is known, and nothing is refused for it.
func TestSampler_doesWithoutFiles(t *testing.T) {
	s, err := shed.NewSampler(shed.SamplerConfig{Every: 10 * time.Millisecond, Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for s.Load().Delay < 0 { // it has looked
		<-time.After(time.Millisecond)
	}
	if s.Reads() != "" || s.Load().CPU >= 0 {
		t.Errorf("it reads %q: %+v, want nothing known of the CPU", s.Reads(), s.Load())
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSampler_followsFiles(t *testing.T) {
	root := t.TempDir()
	write := func(content string) {
		t.Helper()
		// A new file takes the place of the old one: half of one is never read.
		file := filepath.Join(root, "new")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file, filepath.Join(root, "proc", "stat")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "proc"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("cpu 0 0 0 100 0 0 0 0\n")
	s, err := shed.NewSampler(shed.SamplerConfig{Every: 10 * time.Millisecond, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for n := 100; s.Load().CPU < 0; n += 100 { // whenever it looks, three quarters were in use since
		write("cpu " + strconv.Itoa(3*n) + " 0 0 " + strconv.Itoa(100+n) + " 0 0 0 0\n")
		<-time.After(15 * time.Millisecond)
	}
	if got := s.Load().CPU; s.Reads() != "proc" || math.Abs(got-0.75) > 0.001 {
		t.Errorf("from %q: %v, want 0.75", s.Reads(), got)
	}
}

func TestSampler_refusesBadConfigs(t *testing.T) {
	for _, cfg := range []shed.SamplerConfig{{Every: time.Millisecond}, {Every: -1}, {Decay: 1}, {Decay: -0.1}, {Decay: math.NaN()}} {
		if _, err := shed.NewSampler(cfg); err == nil {
			t.Errorf("%+v is accepted, want an error", cfg)
		}
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package mtls_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// A volume as Kubernetes writes it: names link through ..data, which is swapped.
func TestFiles_followsASymlinkSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newCA(t, ca.Config{})
		root := t.TempDir()
		write(t, d, filepath.Join(root, "one"), "reviews")
		link(t, "one", filepath.Join(root, "..data"))
		for _, name := range []string{ca.CertFile, ca.KeyFile, ca.CAFile} {
			link(t, filepath.Join("..data", name), filepath.Join(root, name))
		}
		var heard int
		cfg := filesConfig(root)
		cfg.OnUpdate = func(i *security.Identity, err error) {
			heard++
			if i == nil || err != nil {
				t.Errorf("OnUpdate(%v, %v)", i, err)
			}
		}
		f := openFiles(t, cfg)
		before := serial(t, f)
		write(t, d, filepath.Join(root, "two"), "reviews")
		link(t, "two", filepath.Join(root, "..tmp"))
		if err := os.Rename(filepath.Join(root, "..tmp"), filepath.Join(root, "..data")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(settled)
		if serial(t, f) == before || f.Err() != nil {
			t.Errorf("the swap was not seen; Err = %v", f.Err())
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if heard != 1 {
			t.Errorf("OnUpdate was called %d times, want 1", heard)
		}
	})
}

func link(t testing.TB, old, name string) {
	t.Helper()
	if err := os.Symlink(old, name); err != nil {
		t.Fatal(err)
	}
}

func TestNewFiles_refusesAKeyThatOthersCanRead(t *testing.T) {
	d := newCA(t, ca.Config{})
	dir := t.TempDir()
	write(t, d, dir, "reviews")
	if err := os.Chmod(filepath.Join(dir, ca.KeyFile), 0o640); err != nil {
		t.Fatal(err)
	}
	cfg := filesConfig(dir)
	if _, err := mtls.NewFiles(cfg); err == nil || !strings.Contains(err.Error(), "0640") {
		t.Errorf("err = %v, want a refusal that tells the mode", err)
	}
	cfg.SharedKey = true
	f := openFiles(t, cfg)
	_ = f.Close()
}

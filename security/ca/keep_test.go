// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ca_test

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

// An authority that is opened again, or elsewhere, believes what it signed before.
func TestOpenKept_isTheSameAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	var leaves []*x509.Certificate
	for range 2 {
		d, err := ca.OpenKept(dir, "cluster.local", ca.Config{})
		if err != nil {
			t.Fatal(err)
		}
		own, err := d.Issue(security.MustParseID("spiffe://cluster.local/ns/shop/sa/web"))
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(own.Certificate().Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leaf)
		for _, leaf := range leaves {
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: own.Roots("cluster.local"), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
				t.Error(err)
			}
		}
	}
	info, err := os.Stat(filepath.Join(dir, ca.RootKeyFile))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("got the key %v, %v, want mode 0600", info, err)
	}
}

func TestOpenKept_refuses(t *testing.T) {
	open := func(t *testing.T, dir, domain string, cfg ca.Config, want string) {
		t.Helper()
		if _, err := ca.OpenKept(dir, domain, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	kept := func(t *testing.T) string {
		t.Helper()
		dir := t.TempDir()
		if _, err := ca.OpenKept(dir, "cluster.local", ca.Config{}); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	write := func(t *testing.T, path string, data []byte, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("another domain", func(t *testing.T) {
		open(t, kept(t), "example.org", ca.Config{}, `not that of trust domain "example.org"`)
	})
	t.Run("no domain", func(t *testing.T) { open(t, t.TempDir(), "a/b", ca.Config{}, "invalid SPIFFE ID") })
	t.Run("a config without sense", func(t *testing.T) { open(t, t.TempDir(), "d", ca.Config{TTL: -1}, "TTL is -1ns") })
	t.Run("an end", func(t *testing.T) {
		later := func() time.Time { return time.Now().Add(2 * 365 * 24 * time.Hour) }
		open(t, kept(t), "cluster.local", ca.Config{Now: later}, "it ended at")
	})
	t.Run("an open key", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("there are no modes")
		}
		dir := kept(t)
		if err := os.Chmod(filepath.Join(dir, ca.RootKeyFile), 0o640); err != nil {
			t.Fatal(err)
		}
		open(t, dir, "cluster.local", ca.Config{}, "others than its owner")
	})
	t.Run("a key alone", func(t *testing.T) {
		dir := kept(t)
		if err := os.Remove(filepath.Join(dir, ca.RootFile)); err != nil {
			t.Fatal(err)
		}
		open(t, dir, "cluster.local", ca.Config{}, "root.pem is missing")
	})
	t.Run("another's key", func(t *testing.T) {
		dir := kept(t)
		key, err := os.ReadFile(filepath.Join(kept(t), ca.RootKeyFile))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, ca.RootKeyFile), key, 0o600)
		open(t, dir, "cluster.local", ca.Config{}, "private key does not match")
	})
	t.Run("a leaf", func(t *testing.T) {
		dir := t.TempDir()
		d, err := ca.NewDevelopment("cluster.local", ca.Config{})
		if err == nil {
			err = d.WriteFiles(dir, security.MustParseID("spiffe://cluster.local/ns/shop/sa/web"))
		}
		if err != nil {
			t.Fatal(err)
		}
		for from, to := range map[string]string{ca.CertFile: ca.RootFile, ca.KeyFile: ca.RootKeyFile} {
			if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
				t.Fatal(err)
			}
		}
		open(t, dir, "cluster.local", ca.Config{}, "not the certificate of an authority")
	})
}

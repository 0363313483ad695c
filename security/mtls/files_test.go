// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"crypto/x509"
	"encoding/pem"
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

func filesConfig(dir string) mtls.FilesConfig {
	return mtls.FilesConfig{
		Cert: filepath.Join(dir, ca.CertFile),
		Key:  filepath.Join(dir, ca.KeyFile),
		CA:   filepath.Join(dir, ca.CAFile),
	}
}

func write(t testing.TB, d *ca.Development, dir, account string) {
	t.Helper()
	if err := d.WriteFiles(dir, sa(account)); err != nil {
		t.Fatal(err)
	}
}

func openFiles(t testing.TB, cfg mtls.FilesConfig) *mtls.Files {
	t.Helper()
	f, err := mtls.NewFiles(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// serial tells certificates apart.
func serial(t testing.TB, f *mtls.Files) string {
	t.Helper()
	return mustIdentity(t, f).Certificate().Leaf.SerialNumber.String()
}

// settled is past the next poll and the time that files must stand still.
const settled = time.Second

func TestFiles_handshakeAndRotation(t *testing.T) {
	dir := t.TempDir()
	d := newCA(t, ca.Config{})
	write(t, d, dir, "reviews")
	cfg := filesConfig(dir)
	cfg.Poll = 5 * time.Millisecond
	f := openFiles(t, cfg)
	defer func() { _ = f.Close() }()
	url := serve(t, mtls.Server(f))
	c := client(t, mtls.Client(source(t, d, "web"), sa("reviews")), false)
	before := serial(t, f)
	if _, err := get(c, url); err != nil {
		t.Fatal(err)
	}
	write(t, d, dir, "reviews")
	for deadline := time.Now().Add(10 * time.Second); serial(t, f) == before; {
		if time.Now().After(deadline) {
			t.Fatalf("the new certificate was not taken: %v", f.Err())
		}
		if _, err := get(c, url); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := get(c, url); err != nil {
		t.Error(err)
	}
}

func TestFiles_badOnesLeaveTheLastGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newCA(t, ca.Config{})
		good, spare := t.TempDir(), t.TempDir()
		write(t, d, good, "reviews")
		stranger := newCA(t, ca.Config{})
		f := openFiles(t, filesConfig(good))
		defer func() { _ = f.Close() }()
		first := serial(t, f)
		tests := []struct {
			name  string
			spoil func()
			want  string // part of the error
		}{
			{"another's key", func() { write(t, d, spare, "x"); move(t, spare, good, ca.KeyFile) }, "private key"},
			{"another's certificate", func() { write(t, d, spare, "x"); move(t, spare, good, ca.CertFile) }, "private key"},
			{"no key", func() { remove(t, good, ca.KeyFile) }, ca.KeyFile},
			{"half a certificate", func() { cut(t, good, ca.CertFile) }, ca.CertFile},
			{"half a root", func() { cut(t, good, ca.CAFile) }, "does not end with a whole PEM block"},
			{"empty roots", func() { put(t, good, ca.CAFile, nil) }, "no certificate"},
			{"a key among the roots", func() { put(t, good, ca.CAFile, read(t, good, ca.KeyFile)) }, "PRIVATE KEY"},
			{"another authority's roots", func() { write(t, stranger, spare, "x"); move(t, spare, good, ca.CAFile) }, "unknown authority"},
		}
		for _, tt := range tests {
			saved := [][]byte{read(t, good, ca.CertFile), read(t, good, ca.KeyFile), read(t, good, ca.CAFile)}
			tt.spoil()
			time.Sleep(settled)
			if err := f.Err(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: Err = %v, want it to tell %q", tt.name, err, tt.want)
			}
			if got := serial(t, f); got != first {
				t.Errorf("%s: the last good identity is gone", tt.name)
			}
			put(t, good, ca.CertFile, saved[0])
			put(t, good, ca.KeyFile, saved[1])
			put(t, good, ca.CAFile, saved[2])
			time.Sleep(settled)
			if err := f.Err(); err != nil {
				t.Errorf("%s: after it was put right, Err = %v", tt.name, err)
			}
		}
	})
}

func move(t testing.TB, from, to, name string) {
	t.Helper()
	if err := os.Rename(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func put(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func cut(t testing.TB, dir, name string) {
	t.Helper()
	data := read(t, dir, name)
	put(t, dir, name, data[:len(data)/2])
}

func TestFiles_tellsWhenTheCertificateHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newCA(t, ca.Config{TTL: time.Minute})
		dir := t.TempDir()
		write(t, d, dir, "reviews")
		f := openFiles(t, filesConfig(dir))
		defer func() { _ = f.Close() }()
		time.Sleep(2 * time.Minute)
		if err := f.Err(); err == nil || !strings.Contains(err.Error(), "ended at") {
			t.Errorf("Err = %v, want that it ended", err)
		}
		write(t, d, dir, "reviews")
		time.Sleep(settled)
		if err := f.Err(); err != nil {
			t.Errorf("after renewal: Err = %v", err)
		}
	})
}

func TestNewFiles_refuses(t *testing.T) {
	d := newCA(t, ca.Config{})
	dir := t.TempDir()
	write(t, d, dir, "reviews")
	tests := []struct {
		name string
		edit func(*mtls.FilesConfig)
		want string
	}{
		{"no key path", func(c *mtls.FilesConfig) { c.Key = "" }, "required"},
		{"negative poll", func(c *mtls.FilesConfig) { c.Poll = -1 }, "Poll"},
		{"missing file", func(c *mtls.FilesConfig) { c.CA = filepath.Join(dir, "none.pem") }, "none.pem"},
		{"key and certificate swapped", func(c *mtls.FilesConfig) { c.Cert, c.Key = c.Key, c.Cert; c.SharedKey = true }, "switched"},
		{"ended", func(c *mtls.FilesConfig) {
			c.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
		}, "expired"},
		{"federated with no file", func(c *mtls.FilesConfig) { c.Federated = map[string]string{"other.test": "nowhere"} }, "nowhere"},
	}
	for _, tt := range tests {
		cfg := filesConfig(dir)
		tt.edit(&cfg)
		if _, err := mtls.NewFiles(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err = %v, want it to tell %q", tt.name, err, tt.want)
		}
	}
}

func TestNewFiles_federatedRoots(t *testing.T) {
	d := newCA(t, ca.Config{})
	other, err := ca.NewDevelopment("other.test", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	dir, there := t.TempDir(), t.TempDir()
	write(t, d, dir, "reviews")
	stranger := security.MustParseID("spiffe://other.test/ns/default/sa/web")
	if err := other.WriteFiles(there, stranger); err != nil {
		t.Fatal(err)
	}
	cfg := filesConfig(dir)
	cfg.Federated = map[string]string{"other.test": filepath.Join(there, ca.CAFile)}
	f := openFiles(t, cfg)
	defer func() { _ = f.Close() }()
	peer, err := other.Issue(stranger)
	if err != nil {
		t.Fatal(err)
	}
	chain := []*x509.Certificate{peer.Certificate().Leaf}
	if id, err := mustIdentity(t, f).Verify(chain, time.Now(), x509.ExtKeyUsageClientAuth); err != nil || id != stranger {
		t.Errorf("Verify = %v, %v; want %v", id, err, stranger)
	}
}

func TestNewFiles_errorsNeverShowTheKey(t *testing.T) {
	const canary = "CANARYCANARYCANARYCANARYCANARYCA"
	d := newCA(t, ca.Config{})
	dir := t.TempDir()
	write(t, d, dir, "reviews")
	right := read(t, dir, ca.KeyFile)
	block, _ := pem.Decode(right)
	middle := strings.Split(string(right), "\n")[1][20:50]
	for name, data := range map[string]string{
		"no PEM":        canary,
		"not base64":    "-----BEGIN PRIVATE KEY-----\n!" + canary + "\n-----END PRIVATE KEY-----\n",
		"no DER":        "-----BEGIN PRIVATE KEY-----\n" + canary + "\n-----END PRIVATE KEY-----\n",
		"named by key":  "-----BEGIN " + canary + " PRIVATE KEY-----\n" + canary + "\n-----END " + canary + " PRIVATE KEY-----\n",
		"cut":           string(right[:len(right)/2]),
		"twice encoded": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: append(block.Bytes[:40:40], block.Bytes...)})),
	} {
		put(t, dir, ca.KeyFile, []byte(data))
		_, err := mtls.NewFiles(filesConfig(dir))
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		text := err.Error()
		if name != "named by key" && strings.Contains(text, canary) || strings.Contains(text, middle) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"path"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
)

func TestMetadataOf_isNotACopy(t *testing.T) {
	md := metadata.Pairs("a", "b")
	ctx := metadata.NewIncomingContext(context.Background(), md)
	if n := testing.AllocsPerRun(100, func() { _ = metadataOf(ctx) }); n != 0 {
		t.Errorf("%.0f allocations, want none: package metadata keeps it in another way now", n)
	}
	if got := metadataOf(ctx); got.Get("a")[0] != "b" {
		t.Errorf("got %v", got)
	}
	if got := metadataOf(context.Background()); got != nil {
		t.Errorf("got %v of nothing", got)
	}
}

func TestExact_costsNoAllocation(t *testing.T) {
	_ = exact("/shop.Cart/Add") // reads the registry
	if n := testing.AllocsPerRun(100, func() { _ = wellFormed("/shop.Cart/Add") }); n != 0 {
		t.Errorf("%.0f allocations, want none", n)
	}
}

var method = regexp.MustCompile(`^/[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*/[A-Za-z_][A-Za-z0-9_]*$`)

// FuzzWellFormed holds that a path that passes is what the grammar says, and that whoever
// cleans, decodes or trims it finds nothing to do.
func FuzzWellFormed(f *testing.F) {
	for _, s := range []string{
		"/pkg.Svc/M", "pkg.Svc/M", "//pkg.Svc/M", "/pkg.Svc//M", "/pkg.Svc/M/", "/pkg.Svc/M?x=1", "/pkg.Svc%2fM", "/./pkg.Svc/M",
		"/x/../pkg.Svc/M", "/pkg.Svc/M ", "/pkg.Svc/M\x00", `/pkg.Svc\M`, "/", "", "*", "/pkg.Svc./M", "/.pkg.Svc/M", "/p1.S_/M2", "/p.S/1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		got := wellFormed(p)
		if got != method.MatchString(p) {
			t.Fatalf("%q: %v", p, got)
		}
		if got && (path.Clean(p) != p || strings.TrimSpace(p) != p || strings.Count(p, "/") != 2 || strings.ContainsAny(p, "%?#;\\")) {
			t.Fatalf("%q passes", p)
		}
	})
}

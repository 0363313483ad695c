// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"testing"

	"github.com/enmesh-go/enmesh/discovery"
)

func TestParseLocality(t *testing.T) {
	tests := []struct {
		in      string
		want    discovery.Locality
		wantErr bool
	}{
		{"", discovery.Locality{}, false},
		{"eu", discovery.Locality{Region: "eu"}, false},
		{"eu/a", discovery.Locality{Region: "eu", Zone: "a"}, false},
		{"eu/a/rack1", discovery.Locality{Region: "eu", Zone: "a", SubZone: "rack1"}, false},
		{"eu/a/rack1/x", discovery.Locality{}, true},
		{"eu//rack1", discovery.Locality{}, true},
		{"/a", discovery.Locality{}, true},
		{"eu/", discovery.Locality{}, true},
	}
	for _, tt := range tests {
		got, err := discovery.ParseLocality(tt.in)
		if got != tt.want || (err != nil) != tt.wantErr {
			t.Errorf("ParseLocality(%q) = %+v, %v; want %+v, error %t", tt.in, got, err, tt.want, tt.wantErr)
		}
		if err == nil && got.String() != tt.in {
			t.Errorf("ParseLocality(%q).String() = %q", tt.in, got.String())
		}
	}
}

func TestLocality_textRoundTrip(t *testing.T) {
	in := discovery.Locality{Region: "eu", Zone: "a"}
	text, err := in.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var out discovery.Locality
	if err := out.UnmarshalText(text); err != nil || out != in {
		t.Errorf("round trip of %+v = %+v, %v", in, out, err)
	}
	if err := out.UnmarshalText([]byte("a//b")); err == nil || out != in {
		t.Errorf("a bad text gave %+v, %v; want the value kept and an error", out, err)
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"fmt"
	"strings"
)

// Locality is where an endpoint stands, from the widest place to the narrowest.
// The zero value is a place nobody named.
type Locality struct{ Region, Zone, SubZone string }

// ParseLocality reads "region/zone/subzone", Istio's form. Parts may be left out
// from the right; "" is the zero Locality. More than three parts, or a part
// named under an unnamed one, is an error.
func ParseLocality(s string) (Locality, error) {
	if s == "" {
		return Locality{}, nil
	}
	parts := strings.Split(s, "/")
	if len(parts) > 3 {
		return Locality{}, fmt.Errorf("discovery: locality %q has %d parts; it is region/zone/subzone", s, len(parts))
	}
	for _, p := range parts {
		if p == "" {
			return Locality{}, fmt.Errorf("discovery: locality %q has an empty part; leave parts out from the right only", s)
		}
	}
	parts = append(parts, "", "")
	return Locality{Region: parts[0], Zone: parts[1], SubZone: parts[2]}, nil
}

// String is "region/zone/subzone" without the parts on the right that are not
// named.
func (l Locality) String() string {
	return strings.TrimRight(l.Region+"/"+l.Zone+"/"+l.SubZone, "/")
}

// MarshalText writes [Locality.String].
func (l Locality) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what [ParseLocality] reads.
func (l *Locality) UnmarshalText(text []byte) error {
	parsed, err := ParseLocality(string(text))
	if err == nil {
		*l = parsed
	}
	return err
}

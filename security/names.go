// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
)

// subjectAltName is the extension with a certificate's names, and uriTag the tag of a URI
// among them (RFC 5280, section 4.2.1.6).
var subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

const uriTag = 6

var errNames = errors.New("its names cannot be read")

// uriNames are the URI names of a certificate as they stand there. Of one that was not
// parsed from DER they are those of its URIs.
func uriNames(leaf *x509.Certificate) ([]string, error) {
	var names []string
	if len(leaf.Raw) == 0 {
		for _, u := range leaf.URIs {
			names = append(names, u.String())
		}
		return names, nil
	}
	seen := false
	for _, e := range leaf.Extensions {
		if !e.Id.Equal(subjectAltName) {
			continue
		}
		if seen {
			return nil, errNames
		}
		seen = true
		found, err := urisOf(e.Value)
		if err != nil {
			return nil, err
		}
		names = found
	}
	if len(names) != len(leaf.URIs) {
		return nil, errNames
	}
	return names, nil
}

// urisOf reads the extension's value: a sequence of tagged names.
func urisOf(der []byte) ([]string, error) {
	var all asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &all); err != nil || len(rest) > 0 || all.Tag != asn1.TagSequence || !all.IsCompound {
		return nil, errNames
	}
	var names []string
	for left := all.Bytes; len(left) > 0; {
		var name asn1.RawValue
		rest, err := asn1.Unmarshal(left, &name)
		if err != nil {
			return nil, errNames
		}
		left = rest
		if name.Class == asn1.ClassContextSpecific && name.Tag == uriTag {
			names = append(names, string(name.Bytes))
		}
	}
	return names, nil
}

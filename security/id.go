// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// ErrInvalidID says that a string is not the SPIFFE ID of a workload.
var ErrInvalidID = errors.New("security: invalid SPIFFE ID")

// Bounds of the SPIFFE ID standard, in bytes.
const (
	maxID          = 2048
	maxTrustDomain = 255
)

// ID is the SPIFFE ID of a workload, "spiffe://<trust domain>/<path>". It is a
// value: two IDs are compared whole, with ==. The zero ID names nobody and
// matches nothing.
type ID struct{ id spiffeid.ID }

// ParseID reads a workload's SPIFFE ID. Errors wrap [ErrInvalidID]. It is strict:
// lower-case scheme and trust domain, a path that is neither empty nor the root,
// no empty, "." or ".." segments, no trailing slash, no percent encoding, query,
// fragment, port or user, at most 2048 bytes, the trust domain at most 255.
//
// Source: SPIFFE-ID, sections 2 and 3.
func ParseID(s string) (ID, error) {
	if len(s) > maxID {
		return ID{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrInvalidID, len(s), maxID)
	}
	id, err := spiffeid.FromString(s)
	if err != nil {
		return ID{}, fmt.Errorf("%w %q: %w", ErrInvalidID, brief(s), err)
	}
	return checked(id)
}

// MustParseID is ParseID for constants; it panics on an error.
func MustParseID(s string) ID {
	id, err := ParseID(s)
	if err != nil {
		panic(err)
	}
	return id
}

// IDFor is the ID of a service account in Istio's form,
// "spiffe://<trustDomain>/ns/<namespace>/sa/<serviceAccount>". Errors wrap
// [ErrInvalidID].
func IDFor(trustDomain, namespace, serviceAccount string) (ID, error) {
	if strings.Contains(trustDomain, "/") {
		return ID{}, fmt.Errorf("%w: trust domain %q is a name, not a URI", ErrInvalidID, brief(trustDomain))
	}
	td, err := spiffeid.TrustDomainFromString(trustDomain)
	if err != nil {
		return ID{}, fmt.Errorf("%w: trust domain %q: %w", ErrInvalidID, brief(trustDomain), err)
	}
	id, err := spiffeid.FromSegments(td, "ns", namespace, "sa", serviceAccount)
	if err != nil {
		return ID{}, fmt.Errorf("%w: namespace %q, service account %q: %w",
			ErrInvalidID, brief(namespace), brief(serviceAccount), err)
	}
	return checked(id)
}

// checked applies what spiffeid leaves open: bounds, and that a workload has a
// path.
func checked(id spiffeid.ID) (ID, error) {
	switch {
	case id.Path() == "":
		return ID{}, fmt.Errorf("%w %q: it names a trust domain, not a workload", ErrInvalidID, brief(id.String()))
	case len(id.String()) > maxID:
		return ID{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrInvalidID, len(id.String()), maxID)
	case len(id.TrustDomain().Name()) > maxTrustDomain:
		return ID{}, fmt.Errorf("%w %q: the trust domain is over %d bytes", ErrInvalidID, brief(id.String()), maxTrustDomain)
	}
	return ID{id}, nil
}

// brief cuts what an error quotes.
func brief(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// String is the whole URI, "" for the zero ID.
func (id ID) String() string { return id.id.String() }

// IsZero reports whether the ID names nobody.
func (id ID) IsZero() bool { return id.id.IsZero() }

// TrustDomain is the part between the scheme and the path.
func (id ID) TrustDomain() string { return id.id.TrustDomain().Name() }

// Path is what follows the trust domain, with its leading slash.
func (id ID) Path() string { return id.id.Path() }

// Principal is the ID as Istio's AuthorizationPolicy writes it, without
// "spiffe://".
func (id ID) Principal() string { return strings.TrimPrefix(id.String(), "spiffe://") }

// Namespace is the ns segment of an ID in Istio's form, and "" for any other.
func (id ID) Namespace() string {
	ns, _ := id.account()
	return ns
}

// ServiceAccount is the sa segment of an ID in Istio's form, and "" for any other.
func (id ID) ServiceAccount() string {
	_, sa := id.account()
	return sa
}

// account takes "/ns/<namespace>/sa/<account>" apart; any other path is neither.
func (id ID) account() (namespace, account string) {
	rest, ok := strings.CutPrefix(id.Path(), "/ns/")
	if !ok {
		return "", ""
	}
	namespace, account, ok = strings.Cut(rest, "/sa/")
	if !ok || strings.Contains(namespace, "/") || strings.Contains(account, "/") {
		return "", ""
	}
	return namespace, account
}

// MarshalText writes [ID.String].
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what [ParseID] reads; "" is the zero ID.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID{}
		return nil
	}
	parsed, err := ParseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// Verdict says what becomes of a field that a document sets.
type Verdict uint8

// The verdicts.
const (
	// Enforced: as Istio documents it.
	Enforced Verdict = iota
	// Approximated: nearly so; the message names the difference.
	Approximated
	// Ignored: it loads and has no effect.
	Ignored
	// Rejected: what it governs is refused at run time rather than done wrongly.
	Rejected
	// Warned: enforced as written, and probably not what was meant: a rule that no
	// call reaches, a second document for one host.
	Warned
)

// String is "enforced", "approximated", "ignored", "rejected" or "warned".
func (v Verdict) String() string {
	switch v {
	case Enforced:
		return "enforced"
	case Approximated:
		return "approximated"
	case Ignored:
		return "ignored"
	case Rejected:
		return "rejected"
	case Warned:
		return "warned"
	}
	return "verdict(?)"
}

// Finding is what a load has to say about one field of a document that it
// accepted, or about the document as a whole.
type Finding struct {
	Place
	Verdict Verdict
	Message string // why, and what to do; "" for most that are enforced

	key, value string // of the tables, of a field that has a row; the value of a scalar
}

// String is the place, the verdict and the message.
func (f Finding) String() string {
	s := f.Place.String() + ": " + f.Verdict.String()
	if f.Message != "" {
		s += ": " + f.Message
	}
	return s
}

// row is the verdict on one field of Istio's messages. The zero row is enforced.
type row struct {
	verdict Verdict
	message string
	values  map[string]row // of an enum, by the value's name: they go before the row
}

// istioFields is the tables of verdicts on Istio's fields. No field is in two.
var istioFields = []map[string]row{virtualServiceFields, destinationRuleFields, serviceEntryFields, securityFields}

// rowOf finds the row of a field, "HTTPRoute.timeout", and of its value when that
// is an enum's.
func rowOf(field, value string) (row, bool) {
	var r row
	var ok bool
	for _, rows := range istioFields {
		if r, ok = rows[field]; ok {
			break
		}
	}
	if v, has := r.values[value]; has {
		return v, true
	}
	return r, ok
}

// Rows with the most common answers.
var (
	yes = row{}
	l4  = row{verdict: Ignored, message: "enmesh carries HTTP and gRPC only"}
)

// not is a row for a field without effect, with the reason.
func not(reason string) row { return row{verdict: Ignored, message: reason} }

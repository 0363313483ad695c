// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

// Action is what a policy does with the calls that its rules match.
type Action uint8

// The actions, in Istio's numbering. They are asked in another order: Custom, Deny, Allow,
// Audit.
const (
	Allow  Action = iota // once there is one such policy, a call must match one
	Deny                 // whatever it matches is refused
	Audit                // whatever it matches is told to Config.Audit and Config.Recorder; it decides nothing
	Custom               // whatever it matches is for a Checker to allow
)

// String is the action as Istio's documents write it: "ALLOW", "DENY", "AUDIT", "CUSTOM".
func (a Action) String() string {
	switch a {
	case Allow:
		return "ALLOW"
	case Deny:
		return "DENY"
	case Audit:
		return "AUDIT"
	case Custom:
		return "CUSTOM"
	}
	return "action(?)"
}

// Policy is one AuthorizationPolicy that holds for this server. Which do, by namespace and
// selector, is for the caller of [New] to say.
//
// A list that is nil is not set and restricts nothing. A list that is there and empty is
// refused, since it could mean either everything or nothing; Rules is the exception: an
// Allow policy without rules matches no call.
type Policy struct {
	Name      string
	Namespace string // of the document; a service account without a namespace is of this one
	Origin    string // "file:line", for errors and decisions
	Action    Action
	Provider  string // the Checker of a Custom policy; empty for any other
	// DryRun has an Allow or Deny policy tried beside those in force: what it would change
	// is recorded as a shadow decision, and never changes the answer.
	DryRun bool
	Rules  []Rule // any of them
}

// Rule matches a call that comes from one of From, is for one of To, and meets every
// condition of When. The zero Rule matches every call.
type Rule struct {
	Origin string      // "file:line"; "": the policy's
	From   []Source    // nil: anybody
	To     []Operation // nil: anything
	When   []Condition // nil: always
}

// Source says who calls: every field that is set must match, and a field by any of its
// values. It must set one.
//
// Values are exact, "prefix*", "*suffix", or "*" for anything not empty, where nothing else
// is said.
type Source struct {
	// Principals are SPIFFE IDs without "spiffe://". Those of the trust domain of the
	// Config, or of "cluster.local", stand for those of its aliases too.
	Principals, NotPrincipals []string
	// RequestPrincipals are "issuer/subject" of the end user's token, cut at the last slash.
	RequestPrincipals, NotRequestPrincipals []string
	// Namespaces are those of the SPIFFE ID, with "*" anywhere.
	Namespaces, NotNamespaces []string
	// IPBlocks are addresses and CIDR ranges of the connection's far end.
	IPBlocks, NotIPBlocks []string
	// RemoteIPBlocks are those of the original caller, see Config.TrustedProxies.
	RemoteIPBlocks, NotRemoteIPBlocks []string
	// ServiceAccounts are "namespace/account", or "account" for the policy's own namespace,
	// of any trust domain, without wildcards; not beside Principals or Namespaces.
	ServiceAccounts, NotServiceAccounts []string
	// TrustDomains are those of the SPIFFE ID.
	TrustDomains, NotTrustDomains []string
}

// Operation says what is called: every field that is set must match, and a field by any of
// its values. It must set one. Values are as in [Source].
type Operation struct {
	// Hosts are compared without regard to case and to a trailing dot, and to the port
	// unless the value has one: "example.com:8443".
	Hosts, NotHosts []string
	// Ports are those that the call came in at, exact.
	Ports, NotPorts []string
	// Methods are HTTP's, exact; "POST" for gRPC.
	Methods, NotMethods []string
	// Paths are compared with the decoded path; "/package.Service/Method" for gRPC. They
	// may be templates: "{*}" stands for one segment, "{**}" for any number.
	Paths, NotPaths []string
}

// Condition is on an attribute of the call: it has one of Values, if there are any, and
// none of NotValues. It must have either. Keys are Istio's; see the package comment.
type Condition struct {
	Key               string
	Values, NotValues []string
}

// name is the policy in errors and decisions.
func (p *Policy) name() string {
	if p.Namespace == "" {
		return p.Name
	}
	return p.Namespace + "/" + p.Name
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package policy reads Istio's policy documents and compiles them.
//
// Operators say how calls are to be routed, balanced, retried and bounded in files
// of Istio's kinds VirtualService and DestinationRule (networking.istio.io/v1,
// v1beta1 and v1alpha3), which services there are beside those of a registry in files of
// ServiceEntry and WorkloadEntry, and who may make them in files of AuthorizationPolicy,
// PeerAuthentication and RequestAuthentication (security.istio.io/v1, v1beta1). This package turns a set of such files into one [Snapshot]:
// for each service its rules, in terms of the configurations that the packages
// balance/route, resilience/retry, resilience/fault and balance/outlier take, and
// for each destination its [Traffic]. It decides nothing about protocols and builds
// no chains; package mesh does.
//
//	s, err := policy.Load("policies")
//	if err != nil {
//		log.Fatal(err) // every mistake, each with its place and what to do
//	}
//	for _, f := range s.Notes() {
//		log.Print(f) // what is not enforced, and what was probably not meant
//	}
//	if svc := s.Service("reviews.default.svc.cluster.local"); svc != nil {
//		rule := svc.Find(call)
//		…
//	}
//
// Documents that are elsewhere than in files come from a [Source], and are loaded with the
// files as one set: see [Loader.WatchSources].
//
// # Services of ServiceEntries
//
// [Snapshot.Entry] is what a ServiceEntry says of a host: its ports, its endpoints or how
// they are looked up, whether it is in the mesh, and which names it shows. Package entries
// finds its endpoints, and [Snapshot.TLS] has its part in how connections are secured.
//
// # Kinds of our own
//
// What Istio's API has no field for is said in kinds of the group enmesh.dev/v1: RateLimit,
// ConcurrencyLimit and Shed for servers; RateLimit, ConcurrencyLimit, RetryBudget, Hedge,
// Fallback, CircuitBreaker and Throttle for clients. A host, which is read and searched for
// as a DestinationRule's, makes a document one for calls to it ([Snapshot.Outbound]). Without
// a host it is for the servers of its namespace, all or those that a selector selects, and
// in the root namespace for those of the mesh ([Snapshot.Inbound]). Of several for
// one host the earlier file has it; of several for one server the one that is for fewer,
// then the earlier file. The others have findings. With shadow: true it is counted what a document would do,
// and not done.
//
// # Strictness
//
// A load is refused as a whole when any document has a mistake: an unknown field, a
// value of the wrong type, a key that stands twice, anything that Istio's own
// validation refuses, or a rule that names a subset which the host's DestinationRule
// does not define. The [*Error] holds all of them:
//
//	policy: reviews.yaml:22:9: VirtualService "reviews" (document 2): spec.http[0].route[0].destination.subset: "v4" is not defined by any DestinationRule for host "reviews" (reviews.yaml:2): add it there or use v1 and v2
//
// Each has its file, line, column, document and field, but for what YAML cannot give. A
// mistake of syntax stands in no field, and the document has no kind or name yet: it has its number.
// Its line is where the parser gave up, which may be after what was left open, and it has a
// column only where the character or alias can be found again. A file that is too large has its
// name alone. A document that is no mapping has no field.
//
// [Watch] keeps running over a refused load, so that its consumer keeps what it has.
//
// # Verdicts
//
// No field is ignored in silence. For each one that a document sets the snapshot has
// a [Finding] with its [Verdict]: enforced, approximated, ignored, rejected, or
// warned when it is enforced and probably not what was meant. Documents of other
// kinds load, and a finding names the kind as not enforced. The verdicts are one
// table, a row for each field of Istio's messages.
//
// What must not be done wrongly is refused at run time rather than ignored: TLS
// settings that are not enforced have a reason in [TLS.Unenforced].
//
// # Security
//
// [Snapshot.Security] is what documents of security.istio.io say of the process that a
// Loader is for: those in its namespace and in the root namespace whose selector selects
// it. Of PeerAuthentications the narrowest that says something counts, and of several for
// the same scope the first in the order of the files; the rules of RequestAuthentications
// and the AuthorizationPolicies hold together. A document that could let somebody in
// because it is not understood (an unknown field, key or value, a list that is there and
// empty) refuses the load, and so does one for a waypoint, which nothing here is.
//
// # What differs from Istio
//
//   - Files have no time of creation. Where two VirtualServices are for one host, the
//     earlier file goes first (in the order of the paths; in a directory, of the
//     names), and in one file the smaller name. The others get a finding.
//   - A subset that is not defined is refused when the host's DestinationRule is
//     loaded and lacks it. When no DestinationRule for the host is loaded, it is a
//     finding, and such calls fail with 503 as in Istio.
//   - A delegate that is missing, is not exported to the rule's namespace, or has a match
//     that contradicts the rule's is a finding with its place; as in Istio that rule is
//     left out, and its calls go on to the next.
//   - Mirrors get no copies of gRPC's streams, of bodies larger than 64 KiB, and of calls
//     beyond a bound in flight; enmesh_mirror_calls_total counts them.
//   - The header of an answer is edited over HTTP, in gRPC's unary calls where the caller
//     asks for it with grpc.Header, and in server streams on rules that retry (a rule does
//     unless it says attempts: 0); those of other streams come as they are.
//   - Redirects and direct responses are errors to a gRPC call, with the code that gRPC
//     gives their HTTP status.
//   - A ServiceEntry's host without a dot is a service of the document's namespace, as a
//     VirtualService's is. Of several for one host that of the process's own namespace has
//     it, then the earlier; they are not merged, and one goes before a service that the
//     registry has, and does not decorate it. There is no original destination:
//     with the resolution NONE the name that is called is connected to.
//   - Everything is seen from one process, whose namespace and labels a [Loader] has:
//     matches on the source are decided when they are compiled. Of the calls that a server
//     gets, which nothing but a corsPolicy is for, they are asked again.
//
// # Limits
//
// A file has at most 4 MiB and 500,000 YAML nodes, aliases counted as often as they
// are used, nested at most 64 deep; a load has at most 10,000 files,
// and a source gives at most 16 MiB.
package policy

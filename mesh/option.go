// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/mtls"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/tracing"
)

// Option is an option of [Open].
type Option interface{ mesh(cfg *config) }

type optionFunc func(cfg *config)

func (f optionFunc) mesh(cfg *config) { f(cfg) }

// config is what the options add up to.
type config struct {
	workload     Workload
	domain       string
	namespaces   []string
	policies     []string
	sources      []policy.Source
	dns          discovery.Resolver
	resolver     discovery.Resolver
	cache        discovery.CacheConfig
	certificates security.Source
	namer        peerNamer // certificates, if it is one
	revocations  *mtls.CRL
	tls12        bool
	registry     *prometheus.Registry
	log          *slog.Logger
	observers    []Observers
	maxSeries    int
	tracing      *tracing.Tracer
	trust        func(*enmesh.Peer) bool // nil: shed.Verified
	outbound     []enmesh.Middleware
	inbound      []enmesh.Middleware
	mirror       route.MirrorConfig
	outboundMode OutboundMode
	strict       bool
	services     []namedService
	decisions    int
	drain        time.Duration
	security     securityConfig
	remote       remoteLimits
}

// WithWorkload says who this process is. Without it: nobody, in the namespace
// "default".
func WithWorkload(w Workload) Option { return optionFunc(func(cfg *config) { cfg.workload = w }) }

// WithDomain is the mesh's domain, the end of every service's full name. The
// default is "cluster.local".
func WithDomain(domain string) Option { return optionFunc(func(cfg *config) { cfg.domain = domain }) }

// WithNamespaces names the other namespaces that calls are made to, so that
// "reviews.shop" is read as name.namespace and not as a foreign host.
func WithNamespaces(names ...string) Option {
	return optionFunc(func(cfg *config) { cfg.namespaces = append(cfg.namespaces, names...) })
}

// WithPolicies are files and folders of Istio's policy documents. They are watched:
// an edit applies as a whole within a second, and one that does not compile leaves
// the last good policy in force (see [Status]). Without it every call is balanced
// and retried as Istio does by default.
func WithPolicies(paths ...string) Option {
	return optionFunc(func(cfg *config) { cfg.policies = append(cfg.policies, paths...) })
}

// WithPolicySource adds policy documents from elsewhere than files, such as a folder of
// Consul's keys. They and the files are one set, in this order: files, then sources as they
// were given. They are watched as files are, and while a source fails what it gave last
// stays in force; [Open] waits for the first that each gives, and fails if one fails before
// it gave any and nothing is on disk ([WithSnapshotDir]). Naming more than one adds them.
func WithPolicySource(s policy.Source) Option {
	return optionFunc(func(cfg *config) { cfg.sources = append(cfg.sources, s) })
}

// WithDNS is what the names in ServiceEntries are looked up with: it is asked for
// "host:port", as *dns.Resolver is. The mesh puts a [discovery.Cache] round it, as round
// the registry ([WithResolver]). Without it: the system's DNS servers.
func WithDNS(r discovery.Resolver) Option {
	return optionFunc(func(cfg *config) { cfg.dns = r })
}

// WithResolver is where endpoints come from. Services are asked for by their short
// name in the mesh's own namespace, as name.namespace in another, and by the name
// itself where it is foreign. Without it no service is known.
//
// The mesh puts a [discovery.Cache] round r: an outage of the registry takes no
// endpoint away, and a sudden loss of endpoints is doubted for a while ([WithGuard]). A
// Cache of the program's own is used as it is, and is not closed with the mesh.
func WithResolver(r discovery.Resolver) Option {
	return optionFunc(func(cfg *config) { cfg.resolver = r })
}

// WithGuard says when the mesh believes a registry that suddenly knows nobody, or less
// than half of whom it knew. Without it: when two answers 5 s apart agree on it, after
// 10 s at the earliest and 30 s at the latest. Guard{Trust: true} believes all at once.
func WithGuard(g discovery.Guard) Option {
	return optionFunc(func(cfg *config) { cfg.cache.Guard = g })
}

// WithSnapshotDir keeps the endpoints of every service that is called, and what sources of
// policy gave ([WithPolicySource]), in a directory,
// so that a process that starts while the registry is down serves within 200 ms. The
// directory is the mesh's own; processes that ask one registry for the same names may
// share it. One that cannot be written costs the snapshots and nothing else: see
// [Status] and the log. Without it nothing is kept.
func WithSnapshotDir(dir string) Option {
	return optionFunc(func(cfg *config) { cfg.cache.Dir = dir })
}

// WithCertificates gives the process its identity. From then on every connection is
// mutual TLS, to and from, unless a DestinationRule or a PeerAuthentication says otherwise (see
// [Mesh.Listen]) or [AllowAny] lets a call pass that is for no service; an endpoint whose
// identity is not known is refused, or, with documents of security.istio.io and unless this
// process is STRICT, called in plaintext as in Istio. [Status] and the metrics say how the
// certificate stands, and the process is not ready when a twentieth of its life is left.
// Without it connections are plaintext, and calls to hosts whose DestinationRule asks for
// mutual TLS are refused.
//
// A source with a method Peer(service string) (security.Matcher, error), as Consul's
// authority's has it (package security/ca/connect), says itself who answers for a service of
// the mesh, which it is given by its name in the registry; what the registry says of accounts
// is not looked at then, and every service of the mesh is expected to have an identity.
func WithCertificates(src security.Source) Option {
	return optionFunc(func(cfg *config) { cfg.certificates = src })
}

// WithRevocations refuses peers whose certificate crl says is revoked, or, unless it allows
// that, does not know not to be: those who call this process through [Mesh.Listen] and
// [Mesh.ServerTLS], and those that are called with mutual TLS. Open connections are closed
// within some seconds once the lists say so. The program closes crl after the mesh. Without it nobody is asked;
// hosts outside have the caCrl of their DestinationRule.
func WithRevocations(crl *mtls.CRL) Option {
	return optionFunc(func(cfg *config) { cfg.revocations = crl })
}

// WithTLS12 lowers the least version of TLS between services from 1.3 to 1.2, with forward
// secret AEAD cipher suites only: for those who call this process through [Mesh.Listen] and
// [Mesh.ServerTLS], and for those that it calls with mutual TLS. With TLS 1.2 certificates
// cross the wire in the clear, so that whoever listens knows who talks to whom. For peers
// that cannot do better. Two that can speak 1.3 all the same. Hosts outside, of
// DestinationRules with the modes SIMPLE and MUTUAL, may have TLS 1.2 in any case.
func WithTLS12() Option {
	return optionFunc(func(cfg *config) { cfg.tls12 = true })
}

// tlsOptions are what the options say of mutual TLS, for both of its sides.
func (cfg *config) tlsOptions() []mtls.Option {
	var opts []mtls.Option
	if cfg.revocations != nil {
		opts = append(opts, mtls.Revocations(cfg.revocations))
	}
	if cfg.tls12 {
		opts = append(opts, mtls.AllowTLS12())
	}
	return opts
}

// serverTLSOptions are those of a server.
func (cfg *config) serverTLSOptions() []mtls.ServerOption {
	var opts []mtls.ServerOption
	for _, o := range cfg.tlsOptions() {
		opts = append(opts, o)
	}
	return opts
}

// WithMetrics is the registry that the mesh registers its collectors with, and that
// [Mesh.Metrics] serves. A registry takes one mesh. Without it the mesh has one of
// its own.
func WithMetrics(r *prometheus.Registry) Option {
	return optionFunc(func(cfg *config) { cfg.registry = r })
}

// WithLogger hears of what happens to the mesh itself: policy that was applied or
// refused, a registry that fails. Without it nothing is logged.
func WithLogger(l *slog.Logger) Option { return optionFunc(func(cfg *config) { cfg.log = l }) }

// Observers makes the observer of a chain's calls. *prom.Collector, *edges.Table
// and the access log are such; those that have a method Attempts of the same form
// hear of each attempt as well.
type Observers interface {
	Calls(s telemetry.Scope) telemetry.Observer
}

// attempts is the other half of Observers, for those that have it.
type attempts interface {
	Attempts(s telemetry.Scope) telemetry.Observer
}

// WithTelemetry adds observers of calls, on both sides, beside the Prometheus
// collector that is always there.
func WithTelemetry(o ...Observers) Option {
	return optionFunc(func(cfg *config) { cfg.observers = append(cfg.observers, o...) })
}

// WithMaxSeries bounds the series of each Prometheus metric of calls, beside one
// for what is too much. Without it, and with 0 or less: 1,999. A process with thousands of
// callers, or of services that it calls, wants more.
func WithMaxSeries(n int) Option {
	return optionFunc(func(cfg *config) { cfg.maxSeries = n })
}

// WithTracing makes spans of calls, on both sides. Without it there are none, and
// the W3C trace context that came in with a call goes on with the calls made under
// its context.
func WithTracing(t *tracing.Tracer) Option { return optionFunc(func(cfg *config) { cfg.tracing = t }) }

// WithOutbound adds middleware of the program's own to every outbound chain, inside
// telemetry and outside what policy says.
func WithOutbound(ms ...enmesh.Middleware) Option {
	return optionFunc(func(cfg *config) { cfg.outbound = append(cfg.outbound, ms...) })
}

// WithInbound adds middleware of the program's own to the inbound chain, inside
// telemetry and outside what policy says: it runs before authorization by documents.
func WithInbound(ms ...enmesh.Middleware) Option {
	return optionFunc(func(cfg *config) { cfg.inbound = append(cfg.inbound, ms...) })
}

// WithTrust says of whom the mesh believes that a call matters more than CRITICAL. Without
// it: of callers with a verified identity. p is nil where the caller is not known.
func WithTrust(trust func(p *enmesh.Peer) bool) Option {
	return optionFunc(func(cfg *config) { cfg.trust = trust })
}

// WithStrictRetries has no gRPC code that a retryOn lists, nor Istio's own default of
// unavailable and cancelled, count as consent: a call is sent again only when it is idempotent, or
// provably never reached the application. Without it a VirtualService says so for its own
// rules, by the annotation enmesh.dev/strict-retries: "true".
func WithStrictRetries() Option { return optionFunc(func(cfg *config) { cfg.strict = true }) }

// WithMirror bounds the calls that a VirtualService's mirrors send beside others.
// Without it: 100 at once, of 15 s each. [Mesh.Mirrored] counts them.
func WithMirror(cfg route.MirrorConfig) Option {
	return optionFunc(func(c *config) { c.mirror = cfg })
}

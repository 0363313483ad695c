// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/resilience"
)

// table is the destinations of one namespace.
type table struct {
	exact map[string]*merged
	wild  []wildcard[*merged]
}

// find is the destination for a key, or nil.
func (t *table) find(key string) *Destination {
	if t == nil {
		return nil
	}
	m, ok := t.exact[key]
	if !ok {
		m = longest(t.wild, key)
	}
	if m == nil {
		return nil
	}
	return m.destination
}

// merged is the DestinationRules of one namespace for one host, put together.
type merged struct {
	destination *Destination
	first       *document // which the host's policy is from
	selective   bool      // first has a workloadSelector: it stands alone
	policy      *networking.TrafficPolicy
	policyFrom  *document
	algorithm   string // of the annotation; "": none
	annotated   *document
	subsets     []subset
}

// sources is where the traffic policy of the host comes from.
func (m *merged) sources() []Provenance {
	var out []Provenance
	if m.policyFrom != nil {
		out = append(out, Provenance{"trafficPolicy", cursor{m.policyFrom, "spec.trafficPolicy"}.origin()})
	}
	if m.annotated != nil {
		out = append(out, Provenance{"annotation " + loadBalancerAnnotation, cursor{m.annotated, annotationPath(loadBalancerAnnotation)}.origin()})
	}
	return out
}

// subset is one of a host's, and the document it is from.
type subset struct {
	*networking.Subset
	from *document
	at   int // in from's list
}

// addRule takes in one DestinationRule, in the order they go before one another.
func (b *builder) addRule(d *document, dr *networking.DestinationRule) {
	selective := dr.GetWorkloadSelector() != nil
	if selective && !b.selects(d, dr.GetWorkloadSelector().GetMatchLabels()) {
		d.withoutEffect("spec.workloadSelector", "this process is in another namespace or has not these labels: the document has no effect")
		return
	}
	host := b.key(d, dr.GetHost())
	m := b.merged(d.namespace, host)
	switch {
	case m.first == nil || selective && !m.selective:
		if m.first != nil {
			m.first.withoutEffect("spec.host", "host "+strconv.Quote(host)+" has its policy from "+d.title()+", whose workloadSelector selects this process: the document has no effect")
		}
		*m = merged{first: d, selective: selective, destination: &Destination{Host: host, Namespace: d.namespace, Origin: d.origin()}}
	case selective || m.selective:
		d.withoutEffect("spec.host", "host "+strconv.Quote(host)+" has its policy from "+m.first.title()+", whose workloadSelector selects this process: the document has no effect")
		return
	}
	m.add(d, dr)
}

// selects reports whether a workloadSelector is for this process.
func (b *builder) selects(d *document, labels map[string]string) bool {
	return d.namespace == b.Namespace && holds(b.Labels, labels)
}

// holds reports whether labels has all of wanted.
func holds(labels, wanted map[string]string) bool {
	for key, value := range wanted {
		if got, ok := labels[key]; !ok || got != value {
			return false
		}
	}
	return true
}

// merged is the place for a host's rules in a namespace.
func (b *builder) merged(namespace, host string) *merged {
	s := b.snapshot
	if s.tables == nil {
		s.tables = map[string]*table{}
	}
	t := s.tables[namespace]
	if t == nil {
		t = &table{exact: map[string]*merged{}}
		s.tables[namespace] = t
	}
	m := t.exact[host]
	if m == nil {
		m = &merged{}
		t.exact[host] = m
		if suffix, ok := strings.CutPrefix(host, "*"); ok {
			t.wild = append(t.wild, wildcard[*merged]{suffix, m})
		}
	}
	return m
}

// add merges one rule into those before it: subsets are put together, and the
// traffic policy is that of the first rule that has one.
func (m *merged) add(d *document, dr *networking.DestinationRule) {
	if p := dr.GetTrafficPolicy(); p != nil {
		if m.policy == nil {
			m.policy, m.policyFrom = p, d
		} else {
			d.note("spec.trafficPolicy", Warned, "without effect: the host has its traffic policy from "+m.policyFrom.title())
		}
	}
	if name := d.own[loadBalancerAnnotation]; name != "" {
		if m.annotated == nil {
			m.algorithm, m.annotated = name, d
			d.judge(annotationPath(loadBalancerAnnotation), balancerRow(name), "", name)
		} else {
			d.note(annotationPath(loadBalancerAnnotation), Warned, "without effect: the host has its load balancer from "+m.annotated.title())
		}
	}
	for i, s := range dr.GetSubsets() {
		same := func(o subset) bool { return o.GetName() == s.GetName() }
		if j := slices.IndexFunc(m.subsets, same); j >= 0 && m.subsets[j].from != d {
			d.note(index("spec.subsets", i), Warned, "without effect: subset "+strconv.Quote(s.GetName())+" is from "+m.subsets[j].from.title())
			continue
		}
		m.subsets = append(m.subsets, subset{s, d, i})
	}
}

// balancerRow is the verdict on an annotation that names a load balancer.
func balancerRow(name string) row {
	if name == pickFirst {
		return row{verdict: Approximated, message: "for gRPC's clients over xDS: here it is LEAST_REQUEST"}
	}
	return yes
}

// compileDestinations works out the policy of every host, subset and port.
func (b *builder) compileDestinations() {
	s := b.snapshot
	s.domain, s.search, s.last = b.Domain, []string{b.Namespace}, []string{b.RootNamespace}
	s.foreign = b.known
	for _, ns := range slices.Sorted(maps.Keys(s.tables)) {
		t := s.tables[ns]
		sortLongest(t.wild)
		for _, host := range slices.Sorted(maps.Keys(t.exact)) {
			m := t.exact[host]
			m.compile()
			s.Destinations = append(s.Destinations, m.destination)
			if key, ok := serviceNamespace(host, b.Domain); ok && !slices.Contains([]string{b.Namespace, key, b.RootNamespace}, ns) && key != "*" {
				m.first.note("spec.host", Warned, "without effect: rules for "+host+" are looked for in the namespaces "+
					list([]string{b.Namespace, key, b.RootNamespace})+", and this one is in "+ns)
			}
		}
	}
}

func (m *merged) compile() {
	d := m.destination
	d.subsets = make(map[string]map[string]string, len(m.subsets))
	d.policies = map[scope]Traffic{}
	d.sources, d.places = m.sources(), make(map[string]string, len(m.subsets))
	ports := portsOf(m.policy)
	for _, port := range append(ports, 0) {
		d.policies[scope{"", port}] = m.trafficOf(effective(m.policy, nil, port))
	}
	for _, s := range m.subsets {
		d.subsets[s.GetName()] = s.GetLabels()
		d.places[s.GetName()] = cursor{s.from, index("spec.subsets", s.at)}.origin()
		for _, port := range append(slices.Concat(ports, portsOf(s.GetTrafficPolicy())), 0) {
			d.policies[scope{s.GetName(), port}] = m.trafficOf(effective(m.policy, s.GetTrafficPolicy(), port))
		}
	}
}

func portsOf(p *networking.TrafficPolicy) []uint16 {
	var ports []uint16
	for _, s := range p.GetPortLevelSettings() {
		ports = append(ports, uint16(s.GetPort().GetNumber()))
	}
	return ports
}

// settings is the blocks in force in one scope. nil is Istio's default.
type settings struct {
	lb      *networking.LoadBalancerSettings
	pool    *networking.ConnectionPoolSettings
	outlier *networking.OutlierDetection
	tls     *networking.ClientTLSSettings
	budget  *networking.TrafficPolicy_RetryBudget
}

// effective puts the policies of a host and of a subset together, for a port. A
// subset's blocks replace the host's one by one; a port's replace all that a port can
// have, so that one it leaves out is the default.
func effective(host, sub *networking.TrafficPolicy, port uint16) settings {
	var s settings
	for _, p := range [...]*networking.TrafficPolicy{host, sub} {
		s = s.with(p)
		if b := p.GetRetryBudget(); b != nil {
			s.budget = b
		}
		if own := portOf(p, port); own != nil {
			s = settings{budget: s.budget}.with(own)
		}
	}
	return s
}

// with replaces the blocks that b has.
func (s settings) with(b blocks) settings {
	if v := b.GetLoadBalancer(); v != nil {
		s.lb = v
	}
	if v := b.GetConnectionPool(); v != nil {
		s.pool = v
	}
	if v := b.GetOutlierDetection(); v != nil {
		s.outlier = v
	}
	if v := b.GetTls(); v != nil {
		s.tls = v
	}
	return s
}

// portOf is the settings of a policy for a port, or nil.
func portOf(p *networking.TrafficPolicy, port uint16) *networking.TrafficPolicy_PortTrafficPolicy {
	for _, s := range p.GetPortLevelSettings() {
		if port != 0 && s.GetPort().GetNumber() == uint32(port) {
			return s
		}
	}
	return nil
}

func (m *merged) trafficOf(s settings) Traffic {
	var t Traffic
	t.balancing(s.lb, m.algorithm)
	t.MaxRequests = uint32(s.pool.GetHttp().GetHttp2MaxRequests())
	t.MaxRetries = uint32(s.pool.GetHttp().GetMaxRetries())
	t.Connection = connectionOf(s.pool)
	if s.outlier != nil {
		t.DetectOutliers, t.Outlier = true, outlierOf(s.outlier)
		t.MinHealthPercent = uint32(s.outlier.GetMinHealthPercent())
	}
	if s.tls != nil {
		t.TLS = tlsOf(s.tls)
	}
	if s.budget != nil {
		t.BoundRetries, t.Budget = true, budgetOf(s.budget)
	}
	return t
}

// budgetOf fills in Istio's defaults: a fifth of the calls, and three besides. Istio
// bounds retries in flight by calls in flight; enmesh counts both over a window.
func budgetOf(b *networking.TrafficPolicy_RetryBudget) resilience.BudgetConfig {
	cfg := resilience.BudgetConfig{Ratio: 0.2, MinPerSecond: 3, Window: b.GetBudgetInterval().AsDuration()}
	if p := b.GetPercent(); p != nil {
		cfg.Ratio = p.GetValue() / 100
	}
	if cfg.Ratio == 0 {
		cfg.Ratio = -1 // none, where 0 would be the default
	}
	if n := b.GetMinRetryConcurrency(); n != 0 {
		cfg.MinPerSecond = int(n)
	}
	if cfg.Window == 0 {
		cfg.Window = resilience.DefaultWindow
	}
	return cfg
}

// outlierOf fills in Istio's defaults: five 5xx, no rule for gateway errors, every
// 10 s, out for 30 s at first and 300 s at most, 10% of the instances at most.
func outlierOf(o *networking.OutlierDetection) outlier.Config {
	cfg := outlier.Config{
		Consecutive5xx: 5, ConsecutiveGateway: o.GetConsecutiveGatewayErrors().GetValue(),
		Interval: 10 * time.Second, BaseEjection: 30 * time.Second, MaxEjection: 300 * time.Second,
		MaxEjectionPercent: 10,
		SplitLocalOrigin:   o.GetSplitExternalLocalOriginErrors(),
	}
	if cfg.SplitLocalOrigin {
		cfg.ConsecutiveLocalOrigin = 5
		if n := o.GetConsecutiveLocalOriginFailures(); n != nil {
			cfg.ConsecutiveLocalOrigin = n.GetValue()
		}
	}
	cfg.Codes = errorCodes(o)
	if n := o.GetConsecutive_5XxErrors(); n != nil {
		cfg.Consecutive5xx = n.GetValue()
	}
	if d := o.GetInterval(); d != nil {
		cfg.Interval = d.AsDuration()
	}
	if d := o.GetBaseEjectionTime(); d != nil {
		cfg.BaseEjection = d.AsDuration()
		cfg.MaxEjection = max(cfg.MaxEjection, cfg.BaseEjection)
	}
	if p := o.GetMaxEjectionPercent(); p != 0 {
		cfg.MaxEjectionPercent = uint32(p)
	}
	return cfg
}

// errorCodes is the statuses that count as errors; none are the 5xx. One below 400 is no
// error to anybody, and check says so.
func errorCodes(o *networking.OutlierDetection) outlier.Codes {
	var statuses []int
	for _, code := range o.GetOutlierDetectionHttpErrorCodes() {
		if code >= 400 && code <= 599 {
			statuses = append(statuses, int(code))
		}
	}
	codes, err := outlier.CodesOf(statuses...)
	if err != nil {
		return outlier.Codes{} // never: all are in the range
	}
	return codes
}

func tlsOf(t *networking.ClientTLSSettings) TLS {
	modes := map[networking.ClientTLSSettings_TLSmode]TLSMode{
		networking.ClientTLSSettings_DISABLE: TLSDisable, networking.ClientTLSSettings_SIMPLE: TLSSimple,
		networking.ClientTLSSettings_MUTUAL: TLSMutual, networking.ClientTLSSettings_ISTIO_MUTUAL: TLSIstioMutual,
	}
	return TLS{
		Mode: modes[t.GetMode()], SubjectAltNames: MakeNames(t.GetSubjectAltNames()), SNI: t.GetSni(),
		CertificateFile: t.GetClientCertificate(), KeyFile: t.GetPrivateKey(),
		CAFile: t.GetCaCertificates(), CredentialName: t.GetCredentialName(), CRLFile: t.GetCaCrl(),
		SkipVerify: t.GetInsecureSkipVerify().GetValue(),
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/balance"
)

// blocks is what a traffic policy and a port's have in common.
type blocks interface {
	GetLoadBalancer() *networking.LoadBalancerSettings
	GetConnectionPool() *networking.ConnectionPoolSettings
	GetOutlierDetection() *networking.OutlierDetection
	GetTls() *networking.ClientTLSSettings
}

// checkDestinationRule holds Istio's rules for a DestinationRule.
func checkDestinationRule(c cursor, dr *networking.DestinationRule) {
	checkHost(c.field("host"), dr.GetHost())
	checkTrafficPolicy(c.field("trafficPolicy"), dr.GetTrafficPolicy())
	checkExportTo(c.field("exportTo"), dr.GetExportTo())
	checkLabels(c.field("workloadSelector").field("matchLabels"), dr.GetWorkloadSelector().GetMatchLabels())
	checkSize(c.field("subsets"), len(dr.GetSubsets()))
	seen := map[string]bool{}
	for i, s := range dr.GetSubsets() {
		at := c.field("subsets").item(i)
		checkDNSLabel(at.field("name"), s.GetName(), "subset")
		if seen[s.GetName()] {
			at.field("name").refuse("subset %q stands twice: remove one", s.GetName())
		}
		seen[s.GetName()] = true
		checkLabels(at.field("labels"), s.GetLabels())
		checkTrafficPolicy(at.field("trafficPolicy"), s.GetTrafficPolicy())
	}
}

func checkTrafficPolicy(c cursor, p *networking.TrafficPolicy) {
	if p == nil {
		return
	}
	if p.GetTunnel() != nil && p.GetProxyProtocol() != nil {
		c.field("proxyProtocol").refuse("tunnel and proxyProtocol exclude one another: remove one")
	}
	if noBlocks(p) && len(p.GetPortLevelSettings()) == 0 && p.GetTunnel() == nil && p.GetProxyProtocol() == nil && p.GetRetryBudget() == nil {
		c.refuse("it says nothing: add a block such as loadBalancer, or remove it")
	}
	checkBlocks(c, p)
	checkRetryBudget(c.field("retryBudget"), p.GetRetryBudget())
	checkSize(c.field("portLevelSettings"), len(p.GetPortLevelSettings()))
	seen := map[uint32]bool{}
	for i, port := range p.GetPortLevelSettings() {
		at := c.field("portLevelSettings").item(i)
		number := port.GetPort().GetNumber()
		checkPort(at.field("port").field("number"), number)
		if seen[number] {
			at.field("port").refuse("port %d stands twice: remove one", number)
		}
		seen[number] = true
		if noBlocks(port) {
			at.refuse("it says nothing about the port: add a block such as loadBalancer, or remove it")
		}
		checkBlocks(at, port)
	}
}

func noBlocks(b blocks) bool {
	return b.GetLoadBalancer() == nil && b.GetConnectionPool() == nil && b.GetOutlierDetection() == nil && b.GetTls() == nil
}

func checkBlocks(c cursor, b blocks) {
	checkLoadBalancer(c.field("loadBalancer"), b.GetLoadBalancer())
	checkConnectionPool(c.field("connectionPool"), b.GetConnectionPool())
	checkOutlierDetection(c.field("outlierDetection"), b.GetOutlierDetection())
	checkTLS(c.field("tls"), b.GetTls())
}

func checkLoadBalancer(c cursor, lb *networking.LoadBalancerSettings) {
	checkConsistentHash(c.field("consistentHash"), lb.GetConsistentHash())
	checkWarmup(c, lb)
	if lb.GetLocalityLbSetting() != nil && lb.GetZoneAwareLbSetting() != nil {
		c.field("zoneAwareLbSetting").refuse("localityLbSetting and zoneAwareLbSetting exclude one another: remove one")
	}
	checkLocality(c.field("localityLbSetting"), lb.GetLocalityLbSetting())
	checkZones(c.field("zoneAwareLbSetting"), lb.GetZoneAwareLbSetting())
}

// checkWarmup holds the rules for both spellings of slow start.
func checkWarmup(c cursor, lb *networking.LoadBalancerSettings) {
	checkDuration(c.field("warmupDurationSecs"), lb.GetWarmupDurationSecs())
	if hashOf(lb.GetConsistentHash()).By != HashByNothing {
		for _, name := range []string{"warmupDurationSecs", "warmup"} {
			if at := c.field(name); at.isSet() {
				at.note(Ignored, "a consistent hash has no slow start: it would send the calls that belong to a new instance elsewhere")
			}
		}
	}
	w := lb.GetWarmup()
	if w == nil {
		return
	}
	at := c.field("warmup")
	if w.GetDuration() == nil {
		at.refuse("its duration is missing: add duration")
	}
	checkDuration(at.field("duration"), w.GetDuration())
	checkMinimumPercent(at.field("minimumPercent"), w)
	if a := w.GetAggression(); a != nil && !(a.GetValue() >= 1) { // NaN too
		at.field("aggression").refuse("%v is less than 1: write 1 or more", a.GetValue())
	}
}

// checkMinimumPercent says what whole percents, one at least, make of a share.
func checkMinimumPercent(c cursor, w *networking.WarmupConfiguration) {
	switch p := w.GetMinimumPercent(); {
	case p == nil:
	case !(p.GetValue() >= 0 && p.GetValue() <= 100): // NaN too
		c.refuse("%v is no percentage: write 0 to 100", p.GetValue())
	case float64(minPercentOf(w)) != p.GetValue():
		c.note(Approximated, fmt.Sprintf("shares are whole percents, and 1 at least: it is %d", minPercentOf(w)))
	}
}

// checkConsistentHash holds the rules for the key and for the size of the table.
func checkConsistentHash(c cursor, h *networking.LoadBalancerSettings_ConsistentHashLB) {
	if h == nil {
		return
	}
	if h.GetHashKey() == nil {
		c.refuse("the key is missing: add httpHeaderName, httpCookie, useSourceIp or httpQueryParameterName")
	}
	if h.GetHttpCookie() != nil && h.GetHttpCookie().GetName() == "" {
		c.field("httpCookie").refuse("the cookie's name is missing: add name")
	}
	if h.GetMinimumRingSize() != 0 && h.GetHashAlgorithm() != nil { //nolint:staticcheck // deprecated and still read
		c.field("minimumRingSize").refuse("ringHash or maglev is set too: remove minimumRingSize")
	}
	if cookie := h.GetHttpCookie(); cookie.GetName() != "" {
		if err := cookieOf(cookie).Validate(); err != nil {
			c.field("httpCookie").refuse("%v", err)
		}
	}
	for at, size := range map[cursor]uint64{c.field("minimumRingSize"): h.GetMinimumRingSize(), c.field("ringHash").field("minimumRingSize"): h.GetRingHash().GetMinimumRingSize()} { //nolint:staticcheck // deprecated and still read
		if size > maxRingSize {
			at.refuse("%d points are too many: write at most %d", size, maxRingSize)
		}
	}
	if m := h.GetMaglev(); m != nil && (m.GetTableSize() >= 5000011 || !isPrime(m.GetTableSize())) {
		c.field("maglev").field("tableSize").refuse("%d is no prime number below 5000011: write one, such as 65537", m.GetTableSize())
	}
}

// maxRingSize is Envoy's.
const maxRingSize = 8 << 20

func isPrime(n uint64) bool {
	for f := uint64(2); f*f <= n; f++ {
		if n%f == 0 {
			return false
		}
	}
	return n > 1
}

func checkLocality(c cursor, l *networking.LocalityLoadBalancerSetting) {
	if len(l.GetDistribute()) > 0 && len(l.GetFailover())+len(l.GetFailoverPriority()) > 0 {
		c.field("distribute").refuse("distribute and failover exclude one another: remove one")
	}
	for i, d := range l.GetDistribute() {
		var sum uint64
		for _, share := range d.GetTo() {
			sum += uint64(share)
		}
		if sum != 100 {
			c.field("distribute").item(i).field("to").refuse("the shares sum to %d: they must sum to 100", sum)
		}
	}
	shares := localityOf(l)
	shares.Failover, shares.FailoverPriority = nil, nil // checked one by one
	if err := shares.Validate(); err != nil {
		c.refuse("%v", err)
	}
	checkFailover(c.field("failover"), l.GetFailover())
	checkFailoverPriority(c.field("failoverPriority"), l.GetFailoverPriority(), false)
}

func checkZones(c cursor, z *networking.ZoneAwareLoadBalancerSetting) {
	checkFailover(c.field("failover"), z.GetFailover())
	checkFailoverPriority(c.field("failoverPriority"), z.GetFailoverPriority(), true)
}

// failover is what the entries of both settings of localities have in common.
type failover interface {
	GetFrom() string
	GetTo() string
}

// checkFailover holds the rules for the regions that load goes to.
func checkFailover[F failover](c cursor, list []F) {
	for i, f := range list {
		switch at := c.item(i); {
		case f.GetFrom() == "" || f.GetTo() == "":
			at.refuse("from or to is missing: name two regions")
		case f.GetFrom() == f.GetTo():
			at.refuse("%q fails over to itself: name another region", clip(f.GetFrom()))
		case strings.ContainsAny(f.GetFrom()+f.GetTo(), "*/"):
			at.refuse("from %q to %q: these are regions: write them without zones and wildcards", clip(f.GetFrom()), clip(f.GetTo()))
		}
	}
}

// checkFailoverPriority holds the rules for the labels that make tiers, in zones beside
// zone awareness.
func checkFailoverPriority(c cursor, labels []string, zones bool) {
	for i, label := range labels {
		cfg := balance.LocalityConfig{FailoverPriority: []string{label}}
		if cfg.Validate() != nil {
			c.item(i).refuse(`%q has no key: write "key" or "key=value"`, clip(label))
			continue
		}
		cfg.ZoneAware.Enabled = zones
		if cfg.Validate() != nil {
			c.item(i).refuse("%q is what zone awareness does by itself: remove it", clip(label))
		}
	}
}

func checkConnectionPool(c cursor, p *networking.ConnectionPoolSettings) {
	if p == nil {
		return
	}
	if p.GetHttp() == nil && p.GetTcp() == nil {
		c.refuse("it says nothing: add http or tcp, or remove it")
	}
	h, at := p.GetHttp(), c.field("http")
	checkWhole(at.field("http1MaxPendingRequests"), h.GetHttp1MaxPendingRequests(), math.MaxInt32)
	checkWhole(at.field("http2MaxRequests"), h.GetHttp2MaxRequests(), math.MaxInt32)
	checkWhole(at.field("maxRequestsPerConnection"), h.GetMaxRequestsPerConnection(), math.MaxInt32)
	checkWhole(at.field("maxRetries"), h.GetMaxRetries(), math.MaxInt32)
	checkWhole(at.field("maxConcurrentStreams"), h.GetMaxConcurrentStreams(), math.MaxInt32)
	checkDuration(at.field("idleTimeout"), h.GetIdleTimeout())
	checkNotNegative(at.field("http2KeepAlive").field("interval"), h.GetHttp2KeepAlive().GetInterval())
	checkNotNegative(at.field("http2KeepAlive").field("timeout"), h.GetHttp2KeepAlive().GetTimeout())
	if h.GetUseClientProtocol() && h.GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE {
		at.field("useClientProtocol").refuse("the client's protocol cannot be kept where h2UpgradePolicy is UPGRADE: remove one")
	}
	tcp, at := p.GetTcp(), c.field("tcp")
	checkWhole(at.field("maxConnections"), tcp.GetMaxConnections(), math.MaxInt32)
	checkDuration(at.field("connectTimeout"), tcp.GetConnectTimeout())
	checkDuration(at.field("maxConnectionDuration"), tcp.GetMaxConnectionDuration())
	if tcp.GetIdleTimeout().AsDuration() != 0 { // 0s turns it off
		checkDuration(at.field("idleTimeout"), tcp.GetIdleTimeout())
	}
	checkDuration(at.field("tcpKeepalive").field("time"), tcp.GetTcpKeepalive().GetTime())
	checkDuration(at.field("tcpKeepalive").field("interval"), tcp.GetTcpKeepalive().GetInterval())
}

func checkOutlierDetection(c cursor, o *networking.OutlierDetection) {
	if o == nil {
		return
	}
	checkDuration(c.field("interval"), o.GetInterval())
	checkDuration(c.field("baseEjectionTime"), o.GetBaseEjectionTime())
	checkWhole(c.field("maxEjectionPercent"), o.GetMaxEjectionPercent(), 100)
	checkWhole(c.field("minHealthPercent"), o.GetMinHealthPercent(), 100)
	if o.GetConsecutiveLocalOriginFailures().GetValue() > 0 && !o.GetSplitExternalLocalOriginErrors() {
		c.field("consecutiveLocalOriginFailures").refuse("it counts only with splitExternalLocalOriginErrors: set that to true")
	}
	listed := o.GetOutlierDetectionHttpErrorCodes()
	if len(listed) > 0 && !slices.ContainsFunc(listed, func(code uint32) bool { return code < 200 || code >= 400 }) {
		c.field("outlierDetectionHttpErrorCodes").refuse("no code in it is an error, for an answer below 400 is a success: list codes from 400 on, or remove it for the 5xx")
		return
	}
	for i, code := range listed {
		switch at := c.field("outlierDetectionHttpErrorCodes").item(i); {
		case code < 200 || code > 599:
			at.refuse("%d is no status: write 200 to 599", code)
		case code < 400:
			at.note(Ignored, "an answer below 400 is a success: it is not counted")
		}
	}
}

func checkTLS(c cursor, t *networking.ClientTLSSettings) {
	if t == nil {
		return
	}
	if !c.field("mode").isSet() {
		c.note(Warned, "mode is not set, and that is DISABLE: connections are in plaintext")
	}
	files := t.GetClientCertificate() + t.GetPrivateKey() + t.GetCaCertificates()
	switch {
	case t.GetMode() == networking.ClientTLSSettings_ISTIO_MUTUAL && files+t.GetCredentialName() != "":
		c.refuse("with ISTIO_MUTUAL the mesh has the certificates: remove those named here, or use MUTUAL")
	case t.GetMode() == networking.ClientTLSSettings_MUTUAL && t.GetCredentialName() == "" && (t.GetClientCertificate() == "" || t.GetPrivateKey() == ""):
		c.refuse("MUTUAL needs clientCertificate and privateKey, or credentialName: add them")
	case t.GetCredentialName() != "" && files != "":
		c.field("credentialName").refuse("credentialName and files of certificates exclude one another: remove one")
	case t.GetInsecureSkipVerify().GetValue() && t.GetCaCertificates() != "":
		c.field("insecureSkipVerify").refuse("caCertificates are not read when nothing is verified: remove one")
	}
	if t.GetInsecureSkipVerify().GetValue() {
		c.field("insecureSkipVerify").note(Warned, "whoever answers is believed: connections are encrypted, and nobody knows who is at their other end; name caCertificates")
	}
	checkAltNames(c.field("subjectAltNames"), t.GetSubjectAltNames())
}

func checkRetryBudget(c cursor, b *networking.TrafficPolicy_RetryBudget) {
	if p := b.GetPercent(); p != nil && !(p.GetValue() >= 0 && p.GetValue() <= 100) {
		c.field("percent").refuse("%v is no percentage: write 0 to 100", p.GetValue())
	}
	if n := b.GetMinRetryConcurrency(); n > 1_000_000 {
		c.field("minRetryConcurrency").refuse("%d is out of range: write 0 to 1000000", n)
	}
	if d := b.GetBudgetInterval().AsDuration(); d != 0 && (d < 10*time.Millisecond || d > time.Hour || d%time.Millisecond != 0) {
		c.field("budgetInterval").refuse("%v is out of range: write 0s, or whole milliseconds from 10ms to 1h", d)
	}
}

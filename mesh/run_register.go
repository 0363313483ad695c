// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/telemetry"
)

// announcement is a registration that is held.
type announcement struct {
	instance discovery.Instance
	withdraw context.CancelFunc
	ended    chan struct{} // closed when Register has returned
	err      error         // what it returned
}

// announce begins to hold the registration, if there is a registrar.
func (r *runner) announce() error {
	if r.cfg.registrar == nil {
		return nil
	}
	in, err := r.instance()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.ctx)
	a := &announcement{instance: in, withdraw: cancel, ended: make(chan struct{})}
	r.announced = a
	r.step(StepRegister, nil)
	go func() {
		defer close(a.ended)
		a.err = r.cfg.registrar.Register(ctx, in)
		if ctx.Err() == nil {
			if a.err == nil {
				a.err = errors.New("it returned")
			}
			r.failed <- fmt.Errorf("mesh: registering %q: %w", in.ID, a.err)
		}
	}()
	return nil
}

// withdraw takes the registration back and waits until callers have heard of it.
func (r *runner) withdraw(ctx context.Context) error {
	a := r.announced
	if a == nil {
		return nil
	}
	select {
	case <-a.ended: // by itself: nothing is announced, and why has been said
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.timing.Propagation)
	defer cancel()
	gone, end := r.watchSelf(ctx, a.instance)
	defer end()
	began := time.Now()
	a.withdraw()
	var err error
	select {
	case <-a.ended:
		if err = a.err; err != nil {
			err = fmt.Errorf("mesh: the registration of %q: %w", a.instance.ID, err)
		}
	case <-ctx.Done():
		late := fmt.Sprintf("within %v", r.cfg.timing.Propagation)
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			late = "before the end was forced"
		}
		err = fmt.Errorf("mesh: the registration of %q was not withdrawn %s", a.instance.ID, late)
	}
	r.step(StepDeregister, err)
	select {
	case <-gone:
		rest(ctx, max(time.Since(began), r.cfg.timing.Margin))
	case <-ctx.Done():
	}
	r.step(StepPropagated, nil)
	return err
}

// rest waits, at most until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// watchSelf watches for the instance to leave its service, as the registry tells the
// mesh's cache: gone is closed then. It never is when the registry had not named it at
// all, and so cannot tell. watchSelf returns when there is a first answer, or ctx ends.
func (r *runner) watchSelf(ctx context.Context, in discovery.Instance) (gone <-chan struct{}, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	left, first, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	own := dialled(in.Endpoint)
	go func() {
		defer close(done)
		seen, answered := false, false
		for set, err := range r.m.cache.Told(ctx, in.Service) {
			told := err == nil || errors.Is(err, discovery.ErrUnknownService) // a set, if an empty one
			listed := slices.ContainsFunc(set, func(ep discovery.Endpoint) bool { return overlap(dialled(ep), own) })
			if told && seen && !listed {
				close(left)
				return
			}
			seen = seen || listed
			if !answered {
				answered = true
				close(first)
			}
		}
	}()
	select {
	case <-first:
	case <-done:
	case <-ctx.Done():
	}
	return left, func() { cancel(); <-done }
}

// dialled are all addresses that an endpoint can be reached at.
func dialled(ep discovery.Endpoint) []string {
	if len(ep.Ports) == 0 {
		return ep.Addrs
	}
	var addrs []string
	for _, p := range ep.Ports {
		one := ep
		one.Ports = []discovery.Port{p}
		more, _ := one.Address(0, "")
		addrs = append(addrs, more...)
	}
	return addrs
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// instance is what to announce.
func (r *runner) instance() (discovery.Instance, error) {
	in, w := r.cfg.instance, r.m.cfg.workload
	if in.Service == "" {
		in.Service = w.Service
	}
	if in.Service == "" {
		return in, errors.New("mesh: WithRegistrar needs the name of a service: set Workload.Service")
	}
	if in.ID == "" {
		in.ID = in.Service + "-" + randomID()
	}
	if in.Labels == nil {
		in.Labels = w.labels()
	}
	if in.Version == "" {
		in.Version = in.Labels[telemetry.LabelVersion]
	}
	if in.Locality == (discovery.Locality{}) {
		in.Locality = w.Locality
	}
	if in.Namespace == "" {
		in.Namespace = w.namespace()
	}
	if in.ServiceAccount == "" {
		in.ServiceAccount = w.ServiceAccount
		if in.ServiceAccount == "" {
			in.ServiceAccount = w.Service
		}
	}
	err := r.address(&in)
	return in, err
}

// address fills in where the instance listens.
func (r *runner) address(in *discovery.Instance) error {
	var host string
	var ports []discovery.Port
	for i, s := range r.cfg.servings {
		at, err := netip.ParseAddrPort(r.listeners[i].Addr().String())
		if err != nil {
			return fmt.Errorf("mesh: announcing %q: the listener's address is not host:port: %w", s.Name, err)
		}
		if host == "" && !at.Addr().IsUnspecified() {
			host = at.Addr().String()
		}
		p := discovery.Port{Name: s.Name, Number: s.Port, Target: at.Port(), Protocol: s.Protocol}
		if p.Number == 0 {
			p.Number = p.Target
		}
		ports = append(ports, p)
	}
	if len(in.Ports) == 0 {
		in.Ports = ports
	}
	if len(in.Addrs) > 0 {
		return nil
	}
	if host == "" {
		var err error
		if host, err = ownHost(); err != nil {
			return err
		}
	}
	in.Addrs = []string{net.JoinHostPort(host, fmt.Sprint(ports[0].Target))}
	return nil
}

// ownHost is the first address of this machine that others can reach.
func ownHost() (string, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("mesh: the machine's addresses: %w", err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String(), nil
		}
	}
	return "", errors.New("mesh: the machine has no address to announce: name one with WithInstance")
}

// randomID tells one run of a service from every other.
func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

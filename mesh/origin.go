// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// originators are the TLS of DestinationRules with the modes SIMPLE and MUTUAL, one for
// all destinations that have equal settings. Their files are watched.
type originators struct {
	log *slog.Logger

	mu     sync.Mutex // guards what follows
	made   map[policy.TLS]*mtls.Originator
	failed map[policy.TLS]failedOrigin
	closed bool
}

// failedOrigin is why there is no Originator, and when that was found out.
type failedOrigin struct {
	err error
	at  time.Time
}

// againAfter is how long files that could not be used are not looked at again.
const againAfter = time.Second

func newOriginators(log *slog.Logger) *originators {
	return &originators{log: log, made: map[policy.TLS]*mtls.Originator{}, failed: map[policy.TLS]failedOrigin{}}
}

// config is how a host outside of the mesh is dialled. While the files cannot be used, it
// is a configuration that refuses.
func (o *originators) config(host string, t policy.TLS) *tls.Config {
	made, err := o.find(t)
	if err != nil {
		return refuse(err)
	}
	return made.Config(host)
}

var errClosed = errors.New("mesh: closed")

func (o *originators) find(t policy.TLS) (*mtls.Originator, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if made := o.made[t]; made != nil {
		return made, nil
	}
	if o.closed {
		return nil, errClosed
	}
	before, again := o.failed[t]
	if again && time.Since(before.at) < againAfter {
		return nil, before.err
	}
	made, err := mtls.NewOriginator(o.settings(t))
	if err != nil {
		err = fmt.Errorf("mesh: TLS mode %s of a DestinationRule: %w", t.Mode, err)
		o.failed[t] = failedOrigin{err, time.Now()}
		if !again {
			o.log.Error("TLS of a DestinationRule cannot be used; calls to its host fail", "error", err)
		}
		return nil, err
	}
	delete(o.failed, t)
	o.made[t] = made
	return made, nil
}

func (o *originators) settings(t policy.TLS) mtls.Origination {
	out := mtls.Origination{
		CertFile: t.CertificateFile, KeyFile: t.KeyFile, CAFile: t.CAFile, CRLFile: t.CRLFile,
		SubjectAltNames: t.SubjectAltNames.List(), SNI: t.SNI, InsecureSkipVerify: t.SkipVerify,
		OnUpdate: func(err error) {
			if err != nil {
				o.log.Error("TLS files of a DestinationRule; the last good ones stay in force", "error", err)
				return
			}
			o.log.Info("TLS files of a DestinationRule are renewed", "ca", t.CAFile, "certificate", t.CertificateFile)
		},
	}
	if t.Mode == policy.TLSMutual {
		out.Mode = mtls.Mutual
	}
	if t.SkipVerify { // they would say that something is verified
		out.SubjectAltNames, out.CRLFile, out.CAFile = nil, "", ""
	}
	return out
}

// keep closes those that policy has no use for any more.
func (o *originators) keep(used func(policy.TLS) bool) error {
	o.mu.Lock()
	var orphans []*mtls.Originator
	for t, made := range o.made {
		if !used(t) {
			orphans = append(orphans, made)
			delete(o.made, t)
		}
	}
	clear(o.failed)
	o.mu.Unlock()
	var errs []error
	for _, one := range orphans {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

func (o *originators) close() error {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	return o.keep(func(policy.TLS) bool { return false })
}

// hostOf is the host of a service's key or address, without a port.
func hostOf(service string) string {
	if host, _, err := net.SplitHostPort(service); err == nil {
		return host
	}
	return service
}

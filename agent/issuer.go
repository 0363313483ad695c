// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/security"
)

// The pace of an issuer.
const (
	issueTimeout = 30 * time.Second // of one question to an Issuer
	lookEvery    = time.Second      // at the source
	lookLeast    = 20 * time.Millisecond
	retryLeast   = time.Second // after a failure, doubled by each in a row
	retryMost    = time.Minute
)

// issuer keeps one Issue fresh: its loop owns everything but what mu guards.
type issuer struct {
	Issue
	dir *certDir
	log *slog.Logger

	src     security.Source
	written *security.Identity // what is in the directory, of this process
	renew   time.Time          // when src should have had something newer
	retry   time.Time          // when From may be asked again
	tries   int                // of From that failed, in a row
	asked   error              // how the last one went, until there is something newer

	mu     sync.Mutex // guards status
	status CertificateStatus
}

func newIssuer(one Issue, log *slog.Logger) *issuer {
	i := &issuer{Issue: one, dir: &certDir{one.Dir}, log: log, status: CertificateStatus{Dir: one.Dir, Identity: one.Identity}}
	if id, leaf, err := i.dir.read(); err == nil && (one.Identity.IsZero() || id == one.Identity) {
		i.status.Identity, i.status.NotBefore, i.status.NotAfter = id, leaf.NotBefore, leaf.NotAfter
	}
	return i
}

// run keeps the directory fresh until ctx ends. What is in it stays.
func (i *issuer) run(ctx context.Context) {
	defer i.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		i.note(ctx, i.look(ctx, time.Now()))
		timer.Reset(i.pause())
	}
}

// look does what is due, and says why there is nothing newer.
func (i *issuer) look(ctx context.Context, now time.Time) error {
	if due := i.src == nil || !i.renew.IsZero() && !now.Before(i.renew); due && !now.Before(i.retry) {
		i.asked = i.ask(ctx, now)
	}
	if i.src == nil {
		return i.asked
	}
	own, err := i.src.Identity()
	if err == nil {
		err = i.take(own, now)
	}
	return errors.Join(i.asked, err, tellOf(i.src))
}

// ask has From make a source, in the place of one that has nothing newer.
func (i *issuer) ask(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	src, err := i.From(ctx, i.Identity)
	if err == nil && src == nil {
		err = errors.New("the issuer gives no source")
	}
	if err != nil {
		wait := min(retryLeast<<min(i.tries, 10), retryMost)
		i.tries++
		i.retry = now.Add(wait/2 + rand.N(wait/2+1))
		return fmt.Errorf("agent: issuer: %w", err)
	}
	i.close()
	i.src, i.tries = src, 0
	if i.written != nil { // it may be the same certificate: not again at once
		i.retry = now.Add(max(retryLeast, i.written.NotAfter().Sub(now)/10))
	}
	return nil
}

// take writes an identity to the directory, if it is new there.
func (i *issuer) take(own *security.Identity, now time.Time) error {
	if own == i.written {
		return nil
	}
	if !i.Identity.IsZero() && own.ID() != i.Identity {
		return fmt.Errorf("agent: the issuer's certificate is that of %s", own.ID())
	}
	if err := own.Check(now); err != nil {
		return err
	}
	if err := i.dir.write(own); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	first := i.written == nil
	i.written, i.asked = own, nil
	life := own.NotAfter().Sub(own.NotBefore())
	i.renew = own.NotBefore().Add(life/2 + rand.N(life/10+1))
	i.mu.Lock()
	s := &i.status
	s.Identity, s.NotBefore, s.NotAfter, s.Written = own.ID(), own.NotBefore(), own.NotAfter(), now
	if !first {
		s.Rotations++
	}
	i.mu.Unlock()
	i.log.Info("agent: certificate written", "dir", i.Dir, "id", own.ID().String(), "until", own.NotAfter())
	return nil
}

// note remembers how it went, and tells the log what is new.
func (i *issuer) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	text := textOf(err)
	i.mu.Lock()
	s := &i.status
	news := text != s.Error
	if news {
		s.Error, s.ErrorAt = text, time.Time{}
		if err != nil {
			s.ErrorAt = time.Now()
			s.Failures++
		}
	}
	i.mu.Unlock()
	if news && err != nil {
		i.log.Warn("agent: no newer certificate", "dir", i.Dir, "id", i.Identity.String(), "error", err)
	}
}

// pause is how long until the next look: more often for a certificate of a short life.
func (i *issuer) pause() time.Duration {
	if i.written == nil {
		return lookEvery / 4
	}
	life := i.written.NotAfter().Sub(i.written.NotBefore())
	return max(lookLeast, min(lookEvery, life/50))
}

func (i *issuer) close() {
	if c, ok := i.src.(io.Closer); ok {
		_ = c.Close() // of a source that nobody asks any more
	}
	i.src = nil
}

func (i *issuer) report(now time.Time) CertificateStatus {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.status
	if !s.NotAfter.IsZero() {
		s.Left = s.NotAfter.Sub(now).Seconds()
	}
	return s
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"time"
)

// folderLoop follows a folder as loop follows a service.
type folderLoop struct {
	*Folder
	tell func(files map[string][]byte, err error)

	cursor  cursor
	remote  string // who gave the index
	pace    *pacer
	last    result
	paused  bool
	trouble trouble

	files  map[string][]byte // as they were told last; nil: never
	text   string            // of the error that was told since; "" none
	reason string            // of it
	at     time.Time         // when an error was told last
}

func (l *folderLoop) run(ctx context.Context) {
	defer l.trouble.over()
	if _, ok := sleep(ctx, l.reg.starts.delay(), nil); !ok {
		return
	}
	for ctx.Err() == nil {
		ans, err := l.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errMoved) {
			l.restart()
			continue // at once: the query has not been answered
		}
		if err != nil {
			l.fail(err)
			if !l.trouble.wait(ctx, 0) {
				return
			}
			continue
		}
		l.trouble.over()
		l.take(ctx, ans)
		paused, ok := l.pace.wait(ctx, l.last)
		if !ok {
			return
		}
		l.paused = paused
	}
}

// ask puts one query, in one of the slots that bound how many block at the agent.
func (l *folderLoop) ask(ctx context.Context) (folderAnswer, error) {
	slots := l.reg.slots
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return folderAnswer{}, ctx.Err()
	}
	defer func() { <-slots }()
	q := query{service: l.prefix, dc: l.dc, index: l.cursor.index, wait: l.reg.cfg.Wait, last: l.remote}
	const turn, short = 5 * time.Second, 100 * time.Millisecond
	switch {
	case l.trouble.on:
		q.wait = min(q.wait, short) // to hear soon that all is well again
	case l.paused:
		q.wait = min(q.wait, glance)
	case len(slots) == cap(slots):
		q.wait = min(q.wait, turn) // others may be waiting for a slot
	}
	return l.reg.askFolder(ctx, q)
}

// take takes an answer: its index, then its documents. What comes with an index that went
// backwards is not believed before it is confirmed from the start.
func (l *folderLoop) take(ctx context.Context, ans folderAnswer) {
	sent, paused := l.cursor.index, l.paused
	l.remote, l.paused = ans.remote, false
	moved := l.cursor.advance(ans.index)
	l.note(func(s *FolderStatus) { s.Answers, s.Index = s.Answers+1, ans.index })
	if moved == backwards {
		l.last = blind
		return
	}
	if ans.leaderless || ans.early { // another server may answer next, or this one with another past
		l.cursor.reset()
	}
	var news bool
	if err := l.reg.empty(ctx, ans); err != nil {
		l.complain(err)
		if reasonOf(err) != Missing {
			l.cursor.reset() // it may be put right without moving the index
			l.last = blind
			return
		}
	} else {
		news = l.took(ans.files)
	}
	switch {
	case news:
		l.last = changed
	case moved == useless, ans.early, sent == 0:
		l.last = blind
	case paused && ans.index == sent:
		l.last = settled
	default:
		l.last = unchanged
	}
}

// took tells the documents, if they are others than before or an error is over; it reports
// the former.
func (l *folderLoop) took(files map[string][]byte) (news bool) {
	news = l.files == nil || !maps.EqualFunc(l.files, files, bytes.Equal)
	l.note(func(s *FolderStatus) {
		s.Documents, s.Confirmed, s.Err = len(files), time.Now(), nil
		if news {
			s.Changes++
		}
	})
	if news || l.text != "" {
		l.files, l.text = files, ""
		l.tell(files, nil)
	}
	return news
}

// fail notes that the agent had no answer. The index stays where it was there all the
// same; where the connection broke, another may answer next, or the same one with all
// forgotten.
func (l *folderLoop) fail(err error) {
	switch reasonOf(err) {
	case Status, Timeout, Denied:
	default:
		l.restart()
	}
	l.complain(err)
}

// complain tells why what was told may be out of date.
func (l *folderLoop) complain(err error) {
	var own *Error
	if errors.As(err, &own) {
		e := *own
		e.Folder, e.Datacenter = l.prefix, l.dc
		err = &e
	}
	l.note(func(s *FolderStatus) { s.Err = err })
	text, reason := err.Error(), reasonOf(err)
	if text == l.text || l.text != "" && reason == l.reason && time.Since(l.at) < newsEvery {
		return
	}
	l.text, l.reason, l.at = text, reason, time.Now()
	l.tell(nil, err)
}

func (l *folderLoop) restart() {
	l.cursor.reset()
	l.remote = ""
}

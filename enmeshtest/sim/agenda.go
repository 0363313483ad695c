// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import "github.com/enmesh-go/enmesh"

// task is the end of a job, or an event of the configuration.
type task struct {
	at  enmesh.Instant
	seq uint64 // the order of tasks of one instant
	job *job
	ev  *Event
}

// agenda holds what is to come: a binary heap, soonest first. container/heap would
// allocate for every task.
type agenda struct {
	tasks []task
	seq   uint64
}

func (a *agenda) add(t task) {
	a.seq++
	t.seq = a.seq
	a.tasks = append(a.tasks, t)
	for i := len(a.tasks) - 1; i > 0; {
		up := (i - 1) / 2
		if !a.less(i, up) {
			break
		}
		a.tasks[i], a.tasks[up] = a.tasks[up], a.tasks[i]
		i = up
	}
}

// first is when the soonest task is due, and whether there is one.
func (a *agenda) first() (enmesh.Instant, bool) {
	if len(a.tasks) == 0 {
		return 0, false
	}
	return a.tasks[0].at, true
}

// take removes the soonest task. There is one.
func (a *agenda) take() task {
	t, last := a.tasks[0], len(a.tasks)-1
	a.tasks[0] = a.tasks[last]
	a.tasks[last] = task{}
	a.tasks = a.tasks[:last]
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < last && a.less(down, least) {
				least = down
			}
		}
		if least == i {
			return t
		}
		a.tasks[i], a.tasks[least] = a.tasks[least], a.tasks[i]
		i = least
	}
}

func (a *agenda) less(i, j int) bool {
	x, y := &a.tasks[i], &a.tasks[j]
	return x.at < y.at || x.at == y.at && x.seq < y.seq
}

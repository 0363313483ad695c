// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// overflow is the value of every label of the series that takes what is too much.
const overflow = "_overflow"

// family is the bounded set of series that share their label names.
type family[S any] struct {
	names  []string
	labels *prometheus.Desc // of any metric of the family: its label names count
	limit  int

	mu       sync.Mutex // guards byLabels, all, over
	byLabels map[string]*series[S]
	all      []*series[S] // only ever appended to
	over     *series[S]

	folded atomic.Uint64
}

// series is one set of labels and what is counted under it.
type series[S any] struct {
	labels []*dto.LabelPair // sorted by name
	value  S
}

func newFamily[S any](limit int, names []string) *family[S] {
	return &family[S]{
		names: names, labels: prometheus.NewDesc("labels", "", names, nil),
		limit: limit, byLabels: map[string]*series[S]{},
	}
}

// series finds or makes the series of the label values, or reports false: there is
// no room, and it is the overflow series.
func (f *family[S]) series(values []string) (*series[S], bool) {
	for i, v := range values {
		values[i] = strings.ToValidUTF8(v, "\uFFFD") // else a whole scrape would fail
	}
	id := strings.Join(values, "\xff") // which no valid text holds
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.byLabels[id]; s != nil {
		return s, true
	}
	if len(f.byLabels) >= f.limit {
		return f.overflowing(), false
	}
	s := f.add(values)
	f.byLabels[id] = s
	return s, true
}

// overflowing is the overflow series. The caller holds mu.
func (f *family[S]) overflowing() *series[S] {
	if f.over == nil {
		values := make([]string, len(f.names))
		for i := range values {
			values[i] = overflow
		}
		f.over = f.add(values)
	}
	return f.over
}

// add makes a series. The caller holds mu.
func (f *family[S]) add(values []string) *series[S] {
	s := &series[S]{labels: prometheus.MakeLabelPairs(f.labels, values)}
	f.all = append(f.all, s)
	return s
}

// snapshot is every series there is now.
func (f *family[S]) snapshot() []*series[S] {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[:len(f.all):len(f.all)]
}

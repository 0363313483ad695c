// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"time"
)

// row is one measurement.
type row struct {
	Name     string
	Services int // in the registry, of ten instances each
	Streams  int
	Each     int           // services that a stream follows
	Rate     int           // changes in a second
	Lasting  time.Duration // of the changes
	Profile  string        // a directory; "": none
}

// result is what a row found.
type result struct {
	Row                 row
	Synced              time.Duration // all clients had all
	P50, P99, Max       time.Duration // of a push
	Pushes, Changes     int
	CPU                 time.Duration // of the agent's process, for one change
	Making              time.Duration // of it, to wake for a change and to make it: without anybody who follows
	Resident, MostOfAll int64         // bytes
	Heap                int64         // bytes in use after a collection, all clients in sync
	ClientCPU           time.Duration // of the clients' process, for one change
	Backlog             time.Duration // how far the registry fell behind at most
}

func rows() []row {
	return []row{
		{Name: "1,000 services, 200 streams of 50", Services: 1000, Streams: 200, Each: 50, Rate: 50},
		{Name: "1,000 services, 200 streams of all", Services: 1000, Streams: 200, Each: 1000, Rate: 50},
		{Name: "1,000 services, 1,000 streams of 20", Services: 1000, Streams: 1000, Each: 20, Rate: 50},
		{Name: "10,000 services, 200 streams of 50", Services: 10_000, Streams: 200, Each: 50, Rate: 50},
	}
}

// small is the row as a test of the program has time for it.
func (r row) small() row {
	r.Services, r.Streams, r.Lasting = min(r.Services, 50), min(r.Streams, 10), min(r.Lasting, time.Second)
	r.Each = min(r.Each, r.Services)
	return r
}

// write writes a table.
func write(w io.Writer, found []result) {
	const mega = 1 << 20
	_, _ = fmt.Fprintln(w, "| | push p50 ms | p99 ms | longest ms | CPU ms a change | of it to make it | to so many | resident MiB | at most MiB | in sync after s |")
	_, _ = fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	for _, r := range found {
		_, _ = fmt.Fprintf(w, "| %s | %.1f | %.1f | %.1f | %.2f | %.2f | %d | %d | %d | %.1f |\n", r.Row.Name, ms(r.P50), ms(r.P99), ms(r.Max),
			ms(r.CPU), ms(r.Making), r.Row.Streams*r.Row.Each/r.Row.Services, r.Resident/mega, r.MostOfAll/mega, r.Synced.Seconds())
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

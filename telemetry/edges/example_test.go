// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package edges_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/edges"
)

// What came between two snapshots, for a table that is drawn once a second.
func ExampleNew() {
	table := edges.New(edges.Config{MaxEdges: 100})
	scope := telemetry.Scope{Self: telemetry.Workload{App: "productpage"}}
	router := enmesh.Fixed(false, telemetry.Calls(table.Calls(scope)))
	call := func(service string) { // an adapter does this for every request
		w := enmeshtest.NewWire()
		w.Call().Service = service
		_ = w.Do(context.Background(), router)
		w.Finish(nil)
	}

	call("reviews")
	before := table.Snapshot()
	call("reviews")
	call("details")
	for _, e := range table.Snapshot().Since(before) {
		e.P50, e.P99 = 0, 0 // differ from run to run
		text, err := json.Marshal(e)
		fmt.Println(string(text), err)
	}
	// Output:
	// {"from":"productpage","to":"details","version":"unknown","protocol":"http","requests":1,"attempts":0,"failures":0,"codes":{"200":1},"p50_ms":0,"p99_ms":0} <nil>
	// {"from":"productpage","to":"reviews","version":"unknown","protocol":"http","requests":1,"attempts":0,"failures":0,"codes":{"200":1},"p50_ms":0,"p99_ms":0} <nil>
}

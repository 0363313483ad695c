// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/mesh"
)

// Timeouts, retries and faults of a VirtualService in shadow do nothing, on the wire, and
// are counted; without the annotation the same document does all of it.
func TestVirtualService_inShadow(t *testing.T) {
	vs := strings.Replace(noRetries, "retries: {attempts: 0}",
		"timeout: 2s, retries: {attempts: 2, backoff: 1ms, perTryTimeout: 1s, retryOn: 'internal,500'}, fault: {abort: {httpStatus: 400, percentage: {value: 100}}}", 1)
	shadow := strings.Replace(vs, "{name: reviews}", `{name: reviews, annotations: {enmesh.dev/shadow: "true"}}`, 1)
	eachProtocol(t, shadow, func(t *testing.T, y *yard) {
		if got := y.arrived(3); got != 3 || y.counted(y.caller, "fault", true) != 3 || y.counted(y.caller, "timeout", true) != 0 {
			t.Errorf("faults: %d of 3 arrived, counted %d and %d timeouts", got, y.counted(y.caller, "fault", true), y.counted(y.caller, "timeout", true))
		}
		y.answers(always(500))
		if got := y.arrived(2); got != 2 || y.counted(y.caller, "retry", true) != 2 || y.counted(y.caller, "retry", false) != 0 {
			t.Errorf("retries: %d of 2 arrived, counted %d; want 2 and 2", got, y.counted(y.caller, "retry", true))
		}
		y.answers(func(ctx context.Context, _ int64) int {
			if _, told := ctx.Deadline(); told {
				t.Error("the server was told a deadline")
			}
			select {
			case <-ctx.Done():
			case <-time.After(2100 * time.Millisecond):
			}
			return 200
		})
		if got := y.calls(1); got[200] != 1 || y.counted(y.caller, "timeout", true) != 2 {
			t.Errorf("timeouts: got %v, counted %d; want 200, and the call's and the attempt's", got, y.counted(y.caller, "timeout", true))
		}
		x, err := y.caller.Explain(t.Context(), mesh.Query{Protocol: enmesh.HTTP, Host: "reviews"})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"timeout in shadow: 2s", "attempt timeout in shadow: 1s"} {
			if !slices.Contains(x.Actions, want) {
				t.Errorf("explained as %q, want %q among it", x.Actions, want)
			}
		}
		y.answers(always(200))
		y.write("policy.yaml", vs)
		until(t, "the document is in force", func() bool {
			code, _ := y.call(t.Context())
			return code != 200
		})
		if got := y.arrived(3); got != 0 {
			t.Errorf("in force: %d of 3 arrived, want none", got)
		}
	})
}

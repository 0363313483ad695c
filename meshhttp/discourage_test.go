// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// An answer says that it is not worth asking again, if it is a failure and the call was
// discouraged, or if a policy refuses for good; and the client's chain reads that.
func TestHandler_marksWhatIsNotWorthRetrying(t *testing.T) {
	forGood := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Status: 503, Policy: "shed", RetryAfter: -1}
	for name, tt := range map[string]struct {
		status  int
		discour bool
		refuse  error
		marked  bool
	}{
		"a failure":                  {503, false, nil, false},
		"a discouraged failure":      {503, true, nil, true},
		"too many requests":          {429, true, nil, true},
		"the caller's own fault":     {404, true, nil, false},
		"a success":                  {200, true, nil, false},
		"a policy's last word":       {200, false, forGood, true},
		"another refusal of a call":  {200, false, &enmesh.Error{Code: enmesh.Unavailable, Status: 503, Policy: "shed", RetryAfter: 1}, false},
		"discouraged before refusal": {200, true, forGood, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.discour {
					enmesh.FromContext(r.Context()).DiscourageRetry()
				}
				w.WriteHeader(tt.status)
			})
			srv := serve(t, &recorder{}, h, before(func(context.Context, *enmesh.Call) error { return tt.refuse }))
			var seen time.Duration
			look := func(next enmesh.Next) enmesh.Next {
				return func(ctx context.Context, c *enmesh.Call) error {
					err := next(ctx, c)
					if e := enmesh.ErrorOf(err); e != nil {
						seen = e.RetryAfter
					}
					return err
				}
			}
			transport := meshhttp.NewTransport(nil, enmesh.Fixed(false, look), oneCluster{newCluster(nil, srv.Listener.Addr().String())})
			defer transport.Close()
			res, err := (&http.Client{Transport: transport}).Get("http://reviews/")
			if err != nil {
				t.Fatal(err)
			}
			_ = body(t, res)
			if got := res.Header.Get(meshhttp.RetryHeader); (got == "never") != tt.marked {
				t.Errorf("%s: %q", meshhttp.RetryHeader, got)
			}
			if (seen < 0) != tt.marked {
				t.Errorf("the chain reads a pushback of %v", seen)
			}
		})
	}
}

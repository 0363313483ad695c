// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"slices"
	"testing"
)

// A reader may look between two steps of the follower, when the empty set that came
// after the news of an unknown service is there and that news is not yet over.
func TestFollower_tellsThatAServiceIsUnknownBeforeItsEmptySet(t *testing.T) {
	for name, over := range map[string]bool{"while the error stands": false, "when it is over": true} {
		t.Run(name, func(t *testing.T) {
			f := &follower{changed: make(chan struct{})}
			v := view{known: true, version: 1, err: ErrUnknownService, last: ErrUnknownService, news: 1}
			if over {
				v.err, v.restored = nil, 1
			}
			f.publish(v)
			var got []string
			f.serve(t.Context(), (*view).newSet, func(set []Endpoint, err error) bool {
				if err != nil {
					got = append(got, err.Error())
					return true
				}
				got = append(got, "a set")
				return false // the last there is
			})
			if want := []string{ErrUnknownService.Error(), "a set"}; !slices.Equal(got, want) {
				t.Errorf("told %q, want %q", got, want)
			}
		})
	}
}

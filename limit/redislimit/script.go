// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// takeSource is the generic cell rate algorithm (ITU-T I.371, annex A) in the form that stores a
// single number, the theoretical arrival time: the time at which the bucket is full
// again, in microseconds of the server's own clock. A key that is not there is a full
// bucket, so that it may expire when that time has come: nothing is lost by it, and
// nothing stays. A time later than an empty bucket can have, from a server whose clock was
// ahead, counts as an empty bucket.
//
// It gives up to as many permits as are wanted, and takes those first that its caller
// has admitted while he could not ask.
const takeSource = `
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local wanted, owed = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = redis.call('GET', KEYS[1])
local used = 0
if full then
	full = tonumber(full)
	if not full or full ~= full then
		return redis.error_reply('NOTAQUOTA the key holds something else')
	end
	used = math.max(0, full - now)
end
used = math.min(used + owed * interval, burst * interval)
local given = math.max(0, math.min(wanted, math.floor(burst - used / interval + 1e-6)))
used = used + given * interval
redis.call('SET', KEYS[1], string.format('%.17g', now + used), 'PX', math.max(1, math.ceil(used / 1000)))
local left = math.floor(math.max(0, burst - used / interval) * 1000)
local wait = math.max(0, math.ceil(used - (burst - 1) * interval))
return {given, left, wait}
`

var take = redis.NewScript(takeSource)

// grant is what Redis says to an ask.
type grant struct {
	permits int           // given
	left    float64       // still in the bucket
	wait    time.Duration // until there is one more
}

// errAlien says that somebody else's value is in the key: the server is well, the key is not.
var errAlien = errors.New("redislimit: the key in Redis holds something else")

// ask runs take.
func (q *Quota) ask(ctx context.Context, key string, wanted int, owed float64) (grant, error) {
	interval := 1e6 / q.cfg.Rate
	row, err := take.Run(ctx, q.client, []string{key}, interval, q.cfg.Burst, wanted, owed).Int64Slice()
	if err != nil {
		if text := err.Error(); strings.Contains(text, "WRONGTYPE") || strings.Contains(text, "NOTAQUOTA") {
			return grant{}, errAlien
		}
		return grant{}, err
	}
	if len(row) != 3 || row[0] < 0 || row[0] > int64(wanted) || row[1] < 0 || row[2] < 0 {
		return grant{}, fmt.Errorf("redislimit: the script answered %d", row)
	}
	return grant{
		permits: int(row[0]),
		left:    float64(row[1]) / 1000,
		wait:    time.Duration(row[2]) * time.Microsecond,
	}, nil
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// A Distribution says how long a server works on one call. It has two methods, since
// the offered load follows from the mean, which cannot be told from drawing.
type Distribution interface {
	Draw(r *rand.Rand) time.Duration
	Mean() time.Duration
}

// Constant is a service time that is always d.
func Constant(d time.Duration) Distribution { return constant(d) }

type constant time.Duration

func (d constant) Draw(*rand.Rand) time.Duration { return time.Duration(d) }
func (d constant) Mean() time.Duration           { return time.Duration(d) }

// Exponential is a service time without memory, as queueing theory likes it: its 99th
// percentile is 4.6 times the mean.
func Exponential(mean time.Duration) Distribution { return exponential(mean) }

type exponential time.Duration

func (d exponential) Draw(r *rand.Rand) time.Duration {
	return time.Duration(r.ExpFloat64() * float64(d))
}
func (d exponential) Mean() time.Duration { return time.Duration(d) }

// Lognormal is a service time whose logarithm is normally distributed with the
// standard deviation sigma, as those of real services often are. 0.5 is steady, 1 has
// its 99th percentile at 6.2 times the mean, 2 a very long tail.
func Lognormal(mean time.Duration, sigma float64) Distribution {
	return lognormal{mean, math.Log(float64(mean)) - sigma*sigma/2, sigma}
}

type lognormal struct {
	mean      time.Duration
	mu, sigma float64
}

func (d lognormal) Draw(r *rand.Rand) time.Duration {
	return time.Duration(math.Exp(d.mu + d.sigma*r.NormFloat64()))
}
func (d lognormal) Mean() time.Duration { return d.mean }

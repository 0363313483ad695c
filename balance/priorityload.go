// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

// overprovision is how much more load healthy endpoints are taken to bear than falls to
// them when all are: Envoy's default overprovisioning factor.
const overprovision = 1.4

// negligible is less than any share that is meant.
const negligible = 1e-9

// spread gives each tier its share of the load by its health, the first first; nil when
// there is no health at all.
func spread(health []float64) []float64 {
	var sum float64
	for _, h := range health {
		sum += h
	}
	if sum == 0 {
		return nil
	}
	loads := make([]float64, len(health))
	rest := 1.0
	for i, h := range health {
		loads[i] = min(rest, h/min(1, sum))
		if rest -= loads[i]; rest < negligible {
			rest = 0
		}
	}
	return loads
}

// bySize gives each tier its share by how many endpoints can be reached there, if any.
func bySize(tallies []tally) []float64 {
	loads := make([]float64, len(tallies))
	sum := 0
	for i := range tallies {
		sum += tallies[i].open
	}
	if sum == 0 {
		loads[0] = 1
		return loads
	}
	for i := range tallies {
		loads[i] = float64(tallies[i].open) / float64(sum)
	}
	return loads
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/statusset"
)

// condition is one of Envoy's conditions that is not a gRPC code.
type condition uint16

const (
	on5xx condition = 1 << iota
	onGatewayError
	onReset
	onResetBeforeRequest
	onConnectFailure
	onRefusedStream
	onRetriable4xx
	onRateLimited
	onListedStatuses // "retriable-status-codes": the listed numbers, as always
	onHeaders        // "retriable-headers": Istio has no field that lists any
	onHTTP3          // "http3-post-connect-failure": enmesh speaks no HTTP/3
)

// conditionWords is every condition in the order of [On.String].
var conditionWords = []struct {
	word string
	bit  condition
}{
	{"5xx", on5xx},
	{"gateway-error", onGatewayError},
	{"reset", onReset},
	{"reset-before-request", onResetBeforeRequest},
	{"connect-failure", onConnectFailure},
	{"refused-stream", onRefusedStream},
	{"retriable-4xx", onRetriable4xx},
	{"envoy-ratelimited", onRateLimited},
	{"retriable-status-codes", onListedStatuses},
	{"retriable-headers", onHeaders},
	{"http3-post-connect-failure", onHTTP3},
}

// codeWords is every gRPC code that Envoy knows as a condition, in the order of
// [On.String].
var codeWords = []struct {
	word string
	code enmesh.Code
}{
	{"cancelled", enmesh.Canceled},
	{"deadline-exceeded", enmesh.DeadlineExceeded},
	{"internal", enmesh.Internal},
	{"resource-exhausted", enmesh.ResourceExhausted},
	{"unavailable", enmesh.Unavailable},
}

// On is a set of conditions, gRPC codes and HTTP statuses under which an attempt is
// made again. It is comparable. The zero On is the empty set, which [Config] reads
// as [DefaultOn]. Make one with [ParseOn].
//
// Conditions speak of attempts without an answer and of HTTP statuses; codes of
// errors that came without an HTTP status. Whether the call may be sent again at all
// is asked as well, see [Config].
type On struct {
	conditions condition
	codes      uint32 // bit n is code n
	statuses   statusset.Set
}

// DefaultOn is what Istio retries when nothing is said: attempts that never reached
// the application, and gRPC's UNAVAILABLE and CANCELLED. An HTTP status of 503 is
// not in it.
func DefaultOn() On {
	return On{
		conditions: onConnectFailure | onRefusedStream,
		codes:      1<<enmesh.Unavailable | 1<<enmesh.Canceled,
	}
}

// ParseOn reads the retryOn of an Istio VirtualService: words and HTTP statuses (100
// to 599), separated by commas. Spaces round them are ignored, as are empty parts;
// "" is the empty set. The words are those of Envoy's x-envoy-retry-on and
// x-envoy-retry-grpc-on:
//
//	5xx                         any 5xx, or no answer at all (reset, attempt timeout, failed connect)
//	gateway-error               502, 503, 504, or no answer at all
//	reset                       no answer at all
//	reset-before-request        no answer, and the request was not sent
//	connect-failure             connecting failed; no endpoint to connect to is no failure of it
//	refused-stream              the far side refused the stream, or went away before reading it
//	retriable-4xx               409
//	envoy-ratelimited           an answer with the header x-envoy-ratelimited
//	cancelled, deadline-exceeded, internal, resource-exhausted, unavailable
//	                            that gRPC code, or an error of that code without an HTTP answer
//	retriable-status-codes      the listed statuses (which count without this word, too)
//	retriable-headers           nothing: Istio has no field for the headers
//	http3-post-connect-failure  nothing: enmesh speaks no HTTP/3
func ParseOn(s string) (On, error) {
	var o On
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if !o.addWord(part) && !o.statuses.Parse(part) {
			return On{}, fmt.Errorf("retry: %q is no retry condition and no HTTP status", part)
		}
	}
	return o, nil
}

func (o *On) addWord(word string) bool {
	for _, w := range conditionWords {
		if w.word == word {
			o.conditions |= w.bit
			return true
		}
	}
	for _, w := range codeWords {
		if w.word == word {
			o.codes |= 1 << w.code
			return true
		}
	}
	return false
}

// String is o as [ParseOn] reads it, in one canonical order.
func (o On) String() string {
	var parts []string
	for _, w := range conditionWords {
		if o.conditions&w.bit != 0 {
			parts = append(parts, w.word)
		}
	}
	for _, w := range codeWords {
		if o.hasCode(w.code) {
			parts = append(parts, w.word)
		}
	}
	for status := range o.statuses.All() {
		parts = append(parts, strconv.Itoa(status))
	}
	return strings.Join(parts, ",")
}

func (o *On) has(some condition) bool { return o.conditions&some != 0 }

func (o *On) hasCode(c enmesh.Code) bool { return c < 32 && o.codes&(1<<c) != 0 }

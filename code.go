// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import "strconv"

// Code has gRPC's status numbers, without gRPC. It reads the same for both
// protocols: [CodeOfStatus] and [StatusOfCode] are the only tables between it and
// HTTP.
type Code uint32

// The codes, as google.golang.org/grpc/codes numbers them.
const (
	OK Code = iota
	Canceled
	Unknown
	InvalidArgument
	DeadlineExceeded
	NotFound
	AlreadyExists
	PermissionDenied
	ResourceExhausted
	FailedPrecondition
	Aborted
	OutOfRange
	Unimplemented
	Internal
	Unavailable
	DataLoss
	Unauthenticated
)

// codes holds, for each code, its name in gRPC's spelling, the HTTP status that
// stands for it, and what it says of the far side.
var codes = [...]struct {
	name    string
	status  int
	outcome Outcome
}{
	OK:                 {"OK", 200, Success},
	Canceled:           {"CANCELLED", 499, Neutral},
	Unknown:            {"UNKNOWN", 500, Failure},
	InvalidArgument:    {"INVALID_ARGUMENT", 400, Neutral},
	DeadlineExceeded:   {"DEADLINE_EXCEEDED", 504, Failure},
	NotFound:           {"NOT_FOUND", 404, Neutral},
	AlreadyExists:      {"ALREADY_EXISTS", 409, Neutral},
	PermissionDenied:   {"PERMISSION_DENIED", 403, Neutral},
	ResourceExhausted:  {"RESOURCE_EXHAUSTED", 429, Failure},
	FailedPrecondition: {"FAILED_PRECONDITION", 400, Neutral},
	Aborted:            {"ABORTED", 409, Neutral},
	OutOfRange:         {"OUT_OF_RANGE", 400, Neutral},
	Unimplemented:      {"UNIMPLEMENTED", 501, Neutral},
	Internal:           {"INTERNAL", 500, Failure},
	Unavailable:        {"UNAVAILABLE", 503, Failure},
	DataLoss:           {"DATA_LOSS", 500, Failure},
	Unauthenticated:    {"UNAUTHENTICATED", 401, Neutral},
}

// String is the code's name as gRPC's specification spells it, "UNAVAILABLE"; a
// number beyond the table is "CODE(n)".
func (c Code) String() string {
	if int(c) < len(codes) {
		return codes[c].name
	}
	return "CODE(" + strconv.FormatUint(uint64(c), 10) + ")"
}

// ParseCode reads a code's name as [Code.String] writes it. It reports false for
// any other text, numbers included.
func ParseCode(name string) (Code, bool) {
	for c := range codes {
		if codes[c].name == name {
			return Code(c), true
		}
	}
	return 0, false
}

// OutcomeOfCode is what a code that the far side sent says of it: OK is Success;
// Unknown, DeadlineExceeded, ResourceExhausted, Internal, Unavailable and DataLoss
// are Failure, as is a number beyond the table; the rest, the caller's own faults,
// are Neutral. One table serves HTTP and gRPC.
func OutcomeOfCode(c Code) Outcome {
	if int(c) < len(codes) {
		return codes[c].outcome
	}
	return Failure
}

// StatusOfCode is the HTTP status that stands for a code: 200 for OK, 499 for
// Canceled, 500 for what has no status of its own.
func StatusOfCode(c Code) int {
	if int(c) < len(codes) {
		return codes[c].status
	}
	return 500
}

// CodeOfStatus is the code of an HTTP status. Below 400 it is OK; a 4xx without a
// row of its own is InvalidArgument (the caller's fault, Neutral), a 5xx without
// one is Unknown (Failure).
func CodeOfStatus(status int) Code {
	switch {
	case status < 400:
		return OK
	case status < 500:
		return codeOf4xx(status)
	}
	switch status {
	case 500:
		return Internal
	case 501, 505:
		return Unimplemented
	case 502, 503:
		return Unavailable
	case 504:
		return DeadlineExceeded
	}
	return Unknown
}

// GRPCCodeOfStatus is the code that a gRPC client makes of an HTTP status that it is
// answered with instead of one of gRPC's own
// (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md). Envoy
// answers a gRPC call so where a policy speaks of an HTTP status. It says less than
// [CodeOfStatus], and is for what goes out.
func GRPCCodeOfStatus(status int) Code {
	switch status {
	case 400:
		return Internal
	case 401:
		return Unauthenticated
	case 403:
		return PermissionDenied
	case 404:
		return Unimplemented
	case 429, 502, 503, 504:
		return Unavailable
	}
	return Unknown
}

func codeOf4xx(status int) Code {
	switch status {
	case 401:
		return Unauthenticated
	case 403:
		return PermissionDenied
	case 404, 410:
		return NotFound
	case 405:
		return Unimplemented
	case 409:
		return Aborted
	case 412, 428:
		return FailedPrecondition
	case 416:
		return OutOfRange
	case 429:
		return ResourceExhausted
	case 499:
		return Canceled
	}
	return InvalidArgument
}

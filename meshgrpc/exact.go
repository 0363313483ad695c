// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"errors"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/enmesh-go/enmesh"
)

// What the server refuses before any policy has seen it.
var (
	errInexact = &enmesh.Error{
		Code: enmesh.Unimplemented, Outcome: enmesh.Neutral, Policy: "meshgrpc",
		Err: errors.New("meshgrpc: the path is no method's"),
	}
	errHost = &enmesh.Error{
		Code: enmesh.InvalidArgument, Outcome: enmesh.Neutral, Policy: "meshgrpc",
		Err: errors.New("meshgrpc: the authority is malformed"),
	}
)

// exact reports whether a path that no registered method has may be handed to the
// program's grpc.UnknownServiceHandler: "/package.Service/Method", and not the name of a
// method that the program knows in other letters.
func exact(path string) bool { return wellFormed(path) && !linked.misspells(path) }

// wellFormed reports whether path is "/package.Service/Method", with identifiers as
// protobuf has them: nothing that whoever forwards the call could read as another path.
func wellFormed(path string) bool {
	service, method, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || path[0] != '/' || !identifier(method) {
		return false
	}
	for part := range strings.SplitSeq(service, ".") {
		if !identifier(part) {
			return false
		}
	}
	return true
}

// identifier reports whether s is letters, digits and "_", and begins with no digit.
func identifier(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', c == '_':
		case '0' <= c && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return s != ""
}

// linked knows the services whose descriptors are linked into the program.
var linked services

// services are names of services by their names in lower case.
type services struct {
	mu    sync.Mutex // guards the rest
	files int        // of the registry, when it was read
	known map[string]protoreflect.ServiceDescriptor
}

// misspells reports whether path names a linked service, or one of its methods, in other
// letters.
func (s *services) misspells(path string) bool {
	service, method, _ := strings.Cut(path[1:], "/")
	d := s.find(strings.ToLower(service))
	if d == nil {
		return false
	}
	if string(d.FullName()) != service {
		return true
	}
	methods := d.Methods()
	if methods.ByName(protoreflect.Name(method)) != nil {
		return false
	}
	for i := range methods.Len() {
		if strings.EqualFold(string(methods.Get(i).Name()), method) {
			return true
		}
	}
	return false
}

func (s *services) find(lowered string) protoreflect.ServiceDescriptor {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := protoregistry.GlobalFiles.NumFiles(); s.known == nil || n != s.files {
		s.known, s.files = map[string]protoreflect.ServiceDescriptor{}, n
		protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
			for i := range f.Services().Len() {
				d := f.Services().Get(i)
				s.known[strings.ToLower(string(d.FullName()))] = d
			}
			return true
		})
	}
	return s.known[lowered]
}

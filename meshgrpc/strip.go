// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/reserved"
	"github.com/enmesh-go/enmesh/internal/urlhost"
)

// outside is what a server believes of callers, and what it has refused for it.
type outside struct {
	stripped []string
	names    *reserved.Names // keys that are taken off
	trusted  func(*enmesh.Peer) bool
	recorder enmesh.Recorder
	refused  atomic.Uint64
}

// prepare is called when the options are known.
func (o *outside) prepare() { o.names = reserved.New(o.stripped, nil) }

func (o *outside) takes(key string) bool {
	if o.names.Has(key) {
		return true
	}
	name, ok := strings.CutSuffix(key, "-bin")
	return ok && o.names.Has(name)
}

// WithStrippedMetadata has more keys taken off the metadata of calls before a policy or a
// handler can read them: those in which something inside says who calls. Names are compared
// without regard to case, "_" is "-", and "-bin" behind one makes no difference.
//
// Always taken off are the keys that a proxy may have set and anybody can write; they are
// those that package meshhttp takes off (x-forwarded-client-cert, x-envoy-*, l5d-* and so
// on), but for names with "_", which are usual in metadata. Policies that know a caller ask
// Call.Source, which is what the connection says.
func WithStrippedMetadata(keys ...string) ServerOption {
	return serverOption(func(s *Server) { s.outside.stripped = append(slices.Clone(s.outside.stripped), keys...) })
}

// TrustMetadataOf names the peers whose metadata is kept: a gateway that is known by its
// identity. f is called for the calls that have a key to be taken off. The default trusts
// nobody.
func TrustMetadataOf(f func(*enmesh.Peer) bool) ServerOption {
	return serverOption(func(s *Server) { s.outside.trusted = f })
}

// WithRecorder has r told of every call that is refused before any policy has seen it, as
// a decision of "meshgrpc". The default tells the server's router if it is a Recorder, as
// that of a mesh is; [Server.Refused] counts anyway.
func WithRecorder(r enmesh.Recorder) ServerOption {
	return serverOption(func(s *Server) { s.outside.recorder = r })
}

// Refused is how many calls were refused before any policy has seen them, by their path or
// authority. What grpc itself refuses is not among them.
func (s *Server) Refused() uint64 { return s.outside.refused.Load() }

var refusedDecision = enmesh.Decision{Policy: "meshgrpc", Action: enmesh.ActionRefuse}

// reject is the status of a call that no policy gets to see.
func (s *Server) reject(kind enmesh.Kind, e *enmesh.Error) error {
	s.outside.refused.Add(1)
	if s.outside.recorder != nil {
		s.outside.recorder.Record(&enmesh.Call{Side: enmesh.Server, Protocol: enmesh.GRPC, Kind: kind, Method: "POST"}, refusedDecision)
	}
	return asStatus(e)
}

// keyFinder is a context that notes what it is asked for.
type keyFinder struct {
	context.Context //nolint:containedctx // it is one
	key             any
}

func (f *keyFinder) Value(key any) any {
	f.key = key
	return nil
}

// incomingKey is the key under which package metadata keeps a server's metadata in the
// context. It has no way to look at all of it but to copy all of it, for every call.
var incomingKey = func() any {
	f := &keyFinder{Context: context.Background()}
	metadata.FromIncomingContext(f)
	return f.key
}()

// metadataOf is the metadata of a server's call, which is not to be written.
func metadataOf(ctx context.Context) metadata.MD {
	if md, ok := ctx.Value(incomingKey).(metadata.MD); ok {
		return md
	}
	md, _ := metadata.FromIncomingContext(ctx)
	return md
}

// strip takes the keys off that the caller has no say in. The server's own map stays as it
// is.
func (x *served) strip(md metadata.MD) {
	for key := range md {
		if x.server.outside.takes(key) {
			x.sift(md)
			return
		}
	}
}

func (x *served) sift(md metadata.MD) {
	if f := x.server.outside.trusted; f != nil && x.Call.Source != nil && f(x.Call.Source) {
		return
	}
	x.edited = make(metadata.MD, len(md))
	for key, values := range md {
		if !x.server.outside.takes(key) {
			x.edited[key] = slices.Clip(values)
		}
	}
}

// authority gives the call the authority in its one form, in which the handler finds it
// too. Authorities that are no host, as of sockets, stay as they are; who could be taken
// for another host is refused.
func (x *served) authority(md metadata.MD) *enmesh.Error {
	values := md[":authority"]
	if len(values) == 0 {
		return nil
	}
	host, ok := urlhost.Clean(values[0])
	switch {
	case len(values) > 1 || !ok && strings.ContainsAny(values[0], "@,;\\ \t\x00"):
		return errHost
	case !ok:
		host = values[0]
	case host != values[0]:
		(*incoming)(x).Set(":authority", host)
	}
	x.Call.Authority = host
	return nil
}

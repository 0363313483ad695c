// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"crypto/sha256"
	"encoding/hex"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// encode is the resource that m makes. Equal messages make equal resources.
func encode(k xds.Kind, name string, m proto.Message) xds.Resource {
	body := packed(m)
	sum := sha256.Sum256(body.GetValue())
	return xds.Resource{Kind: k, Name: name, Version: hex.EncodeToString(sum[:8]), Body: body}.Shared()
}

// missing says that there is no such resource.
func missing(k xds.Kind, name string) xds.Resource {
	return xds.Resource{Kind: k, Name: name, Version: "none"}
}

// packed is m in an Any.
func packed(m proto.Message) *anypb.Any {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic("translate: " + err.Error()) // never: text is made valid by text
	}
	return &anypb.Any{TypeUrl: "type.googleapis.com/" + string(m.ProtoReflect().Descriptor().FullName()), Value: data}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"io"

	"google.golang.org/grpc/metadata"
)

// RecvMsg receives the next message. The first shows that the answer has begun; the
// last error says why when a policy ended the call.
func (a *attempt) RecvMsg(m any) error {
	if a.empty {
		return io.EOF
	}
	err := a.ClientStream.RecvMsg(m)
	if err != nil {
		return a.outside(err)
	}
	a.head()
	return nil
}

// Header waits for the answer's header.
func (a *attempt) Header() (metadata.MD, error) {
	md, err := a.ClientStream.Header()
	if err != nil {
		return md, a.outside(err)
	}
	if md != nil {
		a.head()
	}
	return md, nil
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package services is the business of bookinfo's four services, without the mesh:
// plain handlers and plain clients. productpage asks details and reviews; reviews v2
// asks ratings over HTTP, v3 over gRPC, v1 not at all.
//
// A service calls another by its name, "http://reviews:9080", and knows nothing of
// instances, versions, certificates or retries: the transport of the client it was
// given does.
package services

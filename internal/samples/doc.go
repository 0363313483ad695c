// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package samples holds Istio's own policy documents to what Istio's documentation says
// of them, through a real HTTP client and a real gRPC client. The documents are in the
// folder that ENMESH_ISTIO_SAMPLES names; the project does not hold them.
//
// A case names a file of the folder, what is loaded beside it, who calls, and what each
// call must come to. Every service that a document speaks of exists, with instances of
// three versions, each a server on a socket of its own that answers who it is and what it
// was sent.
package samples

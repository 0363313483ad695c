// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

// Believed is how long a farewell counts after n that were not meant.
var Believed = believed

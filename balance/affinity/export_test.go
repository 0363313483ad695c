// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package affinity

// What tests look at.
var (
	CookieFrom  = cookieFrom
	CookieValue = cookieValue
	Parameter   = parameter
)

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package rules holds what is true of the whole source tree and no compiler checks:
// who may import whom, how long a file may be, that what is exported is documented,
// that every file has the licence header, that every fuzz target has inputs to start from, that
// every package with tests looks for goroutines that they leave behind, that elapsed time is
// not measured by a wall clock, and that the code in the guides compiles.
// Its tests run over the module and name the file, or the edge, that breaks a rule.
//
// The rules of import are data (see [Layers] and [Neighbours]), so that they can be
// fed a graph that breaks them:
//
//	g, err := rules.LoadGraph(ctx, root)
//	if err != nil {
//		t.Fatal(err)
//	}
//	for _, problem := range rules.CheckImports(g) {
//		t.Error(problem)
//	}
//
// A new package directory at the top of the module needs a row in [Layers]: a package
// that no row covers is a problem too. Test files are not looked at by the rules of
// import; they may import anything.
package rules

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// target is a rule of the Makefile that can be named on its command line.
var target = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)

// Targets lists the targets of a Makefile.
func Targets(makefile string) []string {
	var names []string
	for _, m := range target.FindAllStringSubmatch(makefile, -1) {
		names = append(names, m[1])
	}
	return names
}

// CheckCommand returns what is wrong with a command of a guide, or "": every target of
// "make" must be one of targets, and the package of "go run" a directory with Go files
// below root, or a versioned package of somebody else. Other commands are not looked at.
func CheckCommand(root, command string, targets []string) string {
	words := strings.Fields(command)
	switch {
	case len(words) > 0 && words[0] == "make":
		for _, word := range words[1:] {
			if !strings.ContainsAny(word, "=-") && !slices.Contains(targets, word) {
				return fmt.Sprintf("%q: the Makefile has no target %s", command, word)
			}
		}
	case len(words) > 1 && words[0] == "go" && words[1] == "run":
		if pkg := firstArgument(words[2:]); !runnable(root, pkg) {
			return fmt.Sprintf("%q: no Go program in %s", command, pkg)
		}
	}
	return ""
}

// firstArgument is the first word that is not a flag.
func firstArgument(words []string) string {
	for _, word := range words {
		if !strings.HasPrefix(word, "-") {
			return word
		}
	}
	return ""
}

// runnable reports whether go run could find pkg.
func runnable(root, pkg string) bool {
	if strings.Contains(pkg, "@") {
		return true
	}
	info, err := os.Stat(filepath.Join(root, filepath.FromSlash(pkg)))
	if err != nil {
		return false
	}
	if !info.IsDir() {
		return strings.HasSuffix(pkg, ".go")
	}
	found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*.go"))
	return err == nil && len(found) > 0
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

// variableOf is the variable that a flag may be given by instead: "policies" with the prefix
// "ENMESH_AGENT_" is ENMESH_AGENT_POLICIES.
func variableOf(prefix, name string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// several is a flag that may be given several times. In a variable its values are separated
// by commas.
type several interface {
	flag.Value
	several()
}

// fromEnvironment gives those flags their variables' values that were not given.
func fromEnvironment(set *flag.FlagSet, prefix string) error {
	given := map[string]bool{}
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var problem error
	set.VisitAll(func(f *flag.Flag) {
		name := variableOf(prefix, f.Name)
		text, ok := os.LookupEnv(name)
		if !ok || given[f.Name] || problem != nil {
			return
		}
		values := []string{text}
		if _, list := f.Value.(several); list {
			values = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' })
		}
		for _, v := range values {
			if err := set.Set(f.Name, strings.TrimSpace(v)); err != nil {
				problem = fmt.Errorf("%s: %w", name, err)
			}
		}
	})
	return problem
}

// parseWith is parse, with variables for the flags that are not given.
func parseWith(set *flag.FlagSet, prefix string, args []string) (code int, done bool) {
	if code, done = parse(set, args); done {
		return code, done
	}
	if err := fromEnvironment(set, prefix); err != nil {
		say(set.Output(), "enmesh: %v\n", err)
		return exitUsage, true
	}
	if set.NArg() > 0 {
		say(set.Output(), "enmesh: %s: what is %q? enmesh %s -help lists the flags\n", set.Name(), set.Arg(0), set.Name())
		return exitUsage, true
	}
	return exitWell, false
}

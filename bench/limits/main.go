// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// command runs the program with its arguments.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("limits", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 40, "how often every row is run")
	names := flags.String("groups", "", "which groups, a regular expression that their names match (default all)")
	quick := flags.Bool("quick", false, "three rounds, to see that all works; believe nothing of it")
	asJSON := flags.Bool("json", false, "write everything as JSON and no table")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *quick {
		*rounds = 3
	}
	chosen, err := selectGroups(*names)
	if err != nil {
		return err
	}
	if err := quiet(); err != nil {
		return err
	}
	found, err := run(ctx, config{Groups: chosen, Rounds: max(*rounds, 1), Window: 10 * time.Millisecond, Least: 2000})
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(stdout).Encode(found)
	}
	_, _ = fmt.Fprintf(stdout, "%s %s/%s, %d processors, %d rounds\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), max(*rounds, 1))
	write(stdout, found)
	_, _ = fmt.Fprintln(stdout)
	writeShort(stdout, found)
	return nil
}

// selectGroups finds the groups whose name a regular expression matches.
func selectGroups(names string) ([]group, error) {
	match, err := regexp.Compile(names)
	if err != nil {
		return nil, fmt.Errorf("limits: groups: %w", err)
	}
	chosen := slices.DeleteFunc(groups(million), func(g group) bool { return !match.MatchString(g.Name) })
	if len(chosen) == 0 {
		return nil, fmt.Errorf("limits: no group matches %q", names)
	}
	return chosen, nil
}

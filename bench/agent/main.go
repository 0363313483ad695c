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
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := role(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// role does what this process was started for.
func role(ctx context.Context) error {
	job, err := jobOf(os.Getenv(jobVariable))
	switch {
	case err != nil:
		return err
	case job == nil:
		return command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	case job.Socket == "":
		return serve(ctx, *job, os.Stdout)
	}
	return clients(ctx, *job, os.Stdin, os.Stdout)
}

// command runs the program with its arguments.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	flags.SetOutput(stderr)
	match := flags.String("rows", "", "which rows, a regular expression that their names match (default all)")
	lasting := flags.Duration("time", 20*time.Second, "how long instances change, in each row")
	quick := flags.Bool("quick", false, "small rows, to see that all works; believe nothing of it")
	profile := flags.String("profile", "", "directory for CPU and heap profiles of the agent's processes; the figures of such a run are not to be used")
	asJSON := flags.Bool("json", false, "write everything as JSON and no table")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := regexp.Compile(*match)
	if err != nil {
		return fmt.Errorf("agent: rows: %w", err)
	}
	var found []result
	for _, r := range rows() {
		if !chosen.MatchString(r.Name) {
			continue
		}
		if r.Lasting, r.Profile = *lasting, *profile; *quick {
			r = r.small()
		}
		_, _ = fmt.Fprintln(stderr, r.Name)
		one, err := run(ctx, r)
		if err != nil {
			return fmt.Errorf("agent: %s: %w", r.Name, err)
		}
		found = append(found, one)
	}
	if *asJSON {
		return json.NewEncoder(stdout).Encode(found)
	}
	_, err = fmt.Fprintf(stdout, "%s %s/%s, %d processors, %v of changes\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), *lasting)
	write(stdout, found)
	return err
}

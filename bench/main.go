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
	"runtime"
	"strconv"
	"strings"
	"time"
)

func main() {
	if runAsChild() {
		return
	}
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
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 40, "how often every stack is run")
	concurrency := flags.String("c", "16,128", "how many calls at once, a list")
	names := flags.String("stacks", "", "which stacks, a list of names or of beginnings with * (default all); their baselines are added")
	seconds := flags.Float64("seconds", 0.6, "length of a window")
	warmup := flags.Float64("warmup", 0.25, "seconds before each window")
	heap := flags.Int("heap", 0, "MiB of memory that every process holds beside what it needs, as programs do that are more than a bench")
	quick := flags.Bool("quick", false, "three rounds, to see that all works; believe nothing of it")
	asJSON := flags.Bool("json", false, "write everything, every sample included, as JSON and no table")
	pickers := flags.Bool("pickers", false, "compare what a pick costs with grpc-go's pickers, and nothing else; takes -rounds, -quick and -json")
	read := flags.String("read", "", "run nothing: write the table of a file that -json wrote")
	list := flags.Bool("list", false, "write the names of the stacks and end")
	profile := flags.String("profile", "", "directory for CPU and allocation profiles of every process; the figures of such a run are not to be used")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *list {
		_, err := fmt.Fprintln(stdout, strings.Join(stackNames(), "\n"))
		return err
	}
	if *read != "" {
		return readTable(*read, stdout)
	}
	if *pickers {
		if *quick {
			*rounds = 3
		}
		return comparePickers(ctx, max(*rounds, 1), *asJSON, stdout)
	}
	cfg := Config{
		Rounds: *rounds, Heap: *heap, Profile: *profile, Progress: stderr,
		Window: seconds2duration(*seconds), Warmup: seconds2duration(*warmup),
	}
	if *quick {
		cfg.Rounds = 3
	}
	if err := cfg.complete(splitList(*names), splitList(*concurrency)); err != nil {
		return err
	}
	all, err := run(ctx, cfg)
	if err != nil {
		return err
	}
	found := results(cfg.Stacks, cfg.Concurrency, all)
	if *asJSON {
		return json.NewEncoder(stdout).Encode(output{machine(), found})
	}
	output{machine(), found}.table(stdout)
	return nil
}

// output is the JSON of a run.
type output struct {
	Machine string   `json:"machine"`
	Results []Result `json:"results"`
}

// table writes what was found for people.
func (o output) table(w io.Writer) {
	_, _ = fmt.Fprintln(w, o.Machine) // as in writeTable
	writeTable(w, o.Results)
}

// readTable writes the table of a run that was written as JSON.
func readTable(name string, w io.Writer) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var o output
	if err := json.Unmarshal(text, &o); err != nil {
		return fmt.Errorf("bench: %s: %w", name, err)
	}
	o.table(w)
	return nil
}

// complete fills in what the flags name, and refuses what makes no sense.
func (cfg *Config) complete(names, concurrency []string) (err error) {
	if cfg.Stacks, err = selectStacks(names); err != nil {
		return err
	}
	for _, text := range concurrency {
		c, err := strconv.Atoi(text)
		if err != nil || c < 1 || c > maxConcurrency {
			return fmt.Errorf("bench: -c %q: want numbers from 1 to %d", text, maxConcurrency)
		}
		cfg.Concurrency = append(cfg.Concurrency, c)
	}
	if cfg.Rounds < 1 || cfg.Window <= 0 || cfg.Warmup < 0 || cfg.Heap < 0 || len(cfg.Concurrency) == 0 {
		return fmt.Errorf("bench: -rounds, -seconds and -c must be above 0, -warmup and -heap not negative")
	}
	if cfg.Profile != "" {
		return os.MkdirAll(cfg.Profile, 0o750)
	}
	return nil
}

func seconds2duration(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// machine says where the figures come from.
func machine() string {
	return fmt.Sprintf("%s %s/%s, %d processors, loopback", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}

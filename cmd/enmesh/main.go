// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command enmesh checks policy files, says what they make of a call, and serves them to
// programs on plain gRPC.
//
//	enmesh check -namespace shop -label app=reviews policies/
//	enmesh check -target grpc-java policies/
//	enmesh explain authz -policies policies/ -namespace shop -label app=reviews \
//		-principal cluster.local/ns/shop/sa/web -method GET -path /reviews/1
//	enmesh agent -consul 127.0.0.1:8500 -policies policies/
//	enmesh agent bootstrap -namespace shop -service-account web -o web.json
//	enmesh agent keep
//	enmesh agent status
//
// It exits with 0 when all is well or the call is allowed, with 1 when policy is refused, the
// call is denied or the agent is not well, and with 2 when it does not understand the question.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// How the command ends.
const (
	exitWell  = 0
	exitNo    = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// command is one thing that enmesh does.
type command struct {
	name    string // one word, or two
	summary string
	run     func(ctx context.Context, args []string, out, messages io.Writer) int
}

func commands() []command {
	return []command{
		{"check", "read policy files and say what is wrong with them, and what is not enforced", check},
		{"agent bootstrap", "write the file that a program on plain gRPC finds its agent by", writeBootstrap},
		{"agent keep", "keep the agent's socket while there is no agent, and tell programs so", keepSocket},
		{"agent status", "say how the agent of this host is, and what its clients make of what they get", showStatus},
		{"agent", "serve policy and instances to programs on plain gRPC, in any language", serveAgent},
		{"explain authz", "say whether policy files allow a call to a process, and by which rule", explainAuthz},
	}
}

func run(ctx context.Context, args []string, out, messages io.Writer) int {
	if len(args) == 0 {
		usage(messages)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(out)
		return exitWell
	}
	for _, c := range commands() {
		if rest, ok := taken(c.name, args); ok {
			return c.run(ctx, rest, out, messages)
		}
	}
	say(messages, "enmesh: no such command %q\n\n", args[0])
	usage(messages)
	return exitUsage
}

// taken is the arguments behind a command's name.
func taken(name string, args []string) (rest []string, ok bool) {
	for word := range fields(name) {
		if len(args) == 0 || args[0] != word {
			return nil, false
		}
		args = args[1:]
	}
	return args, true
}

func usage(w io.Writer) {
	say(w, "enmesh checks policy files, says what they make of a call, and serves them to programs on\nplain gRPC.\n\n")
	for _, c := range commands() {
		say(w, "  enmesh %-15s  %s\n", c.name, c.summary)
	}
	say(w, "\nenmesh COMMAND -help lists a command's flags.\n")
}

// say writes; who reads may be gone.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// flags is a command's, with its help.
func flags(name, synopsis, text string, messages io.Writer) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(messages)
	set.Usage = func() {
		say(messages, "usage: enmesh %s %s\n\n%s\n\nFlags:\n", name, synopsis, text)
		set.PrintDefaults()
	}
	return set
}

// parse reads flags; done says that there is nothing else to do, and code how it ends.
func parse(set *flag.FlagSet, args []string) (code int, done bool) {
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitWell, true
	case err != nil:
		return exitUsage, true
	}
	return exitWell, false
}

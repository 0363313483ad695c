// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/user"
)

// defaultListen is where the page is unless -listen says; when it is taken, it is at a
// free port.
const defaultListen = "127.0.0.1:9080"

// options are the flags.
type options struct {
	policies string
	listen   string
	chosen   bool // -listen was given
	rps      float64
	duration time.Duration
	user     string
	json     bool
	ratings  int
	flaky    float64
}

// parse reads the flags; its errors have been told on stderr if they are of flags.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("bookinfo", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.policies, "policies", "", "`directory` of Istio documents, followed while it runs (default the example's policies/)")
	fs.StringVar(&o.listen, "listen", defaultListen, "`address` of the page in the browser; port 0 is a free one")
	fs.Float64Var(&o.rps, "rps", 10, "pages a second that the built-in load asks for; 0 for none")
	fs.DurationVar(&o.duration, "duration", 0, "how long to run; 0 is until interrupted")
	fs.StringVar(&o.user, "user", "", "`name` that the load is signed in as, the header end-user")
	fs.BoolVar(&o.json, "json", false, "no table; print one JSON object at the end")
	fs.IntVar(&o.ratings, "ratings", 1, "instances of the service ratings")
	fs.Float64Var(&o.flaky, "flaky", 0, "`percent` of its requests that the last instance of ratings fails on its own")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	fs.Visit(func(f *flag.Flag) { o.chosen = o.chosen || f.Name == "listen" })
	err := o.check(fs.Args())
	return o, err
}

// check refuses what makes no sense.
func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case !(o.rps >= 0 && o.rps <= 100_000):
		return fmt.Errorf("-rps is %v; it is 0 to 100000", o.rps)
	case o.duration < 0:
		return fmt.Errorf("-duration is %v; it cannot be negative", o.duration)
	case o.user != "" && !user.Valid(o.user):
		return errors.New("-user: a name has 1 to 64 letters, digits, dots, hyphens and underscores")
	case o.ratings < 1 || o.ratings > 100:
		return fmt.Errorf("-ratings is %d; it is 1 to 100", o.ratings)
	case !(o.flaky >= 0 && o.flaky <= 100):
		return fmt.Errorf("-flaky is %v; it is 0 to 100", o.flaky)
	}
	return nil
}

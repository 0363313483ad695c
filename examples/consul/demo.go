// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// options are the flags of the demonstration.
type options struct {
	consul    string
	instances int
	rate      int
	json      bool
	verbose   bool
}

// parse reads the flags; its errors have been told on stderr if they are of flags.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("consul", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.consul, "consul", "", "`program` to start a development agent with; without it, one is running where CONSUL_HTTP_ADDR says (default 127.0.0.1:8500)")
	fs.IntVar(&o.instances, "instances", 3, "instances of greeter")
	fs.IntVar(&o.rate, "rps", 100, "visits a second")
	fs.BoolVar(&o.json, "json", false, "print one JSON object at the end, and nothing else")
	fs.BoolVar(&o.verbose, "v", false, "show the logs of all processes")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	switch {
	case fs.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q: a service is greeter or front", fs.Arg(0))
	case o.instances < 2 || o.instances > 20:
		return o, fmt.Errorf("-instances is %d; it is 2 to 20", o.instances)
	case o.rate < 1 || o.rate > 5000:
		return o, fmt.Errorf("-rps is %d; it is 1 to 5000", o.rate)
	}
	return o, nil
}

// summary is what -json prints.
type summary struct {
	Consul string `json:"consul"`
	counts
	Instances []instance `json:"instances"` // of greeter, in the order they were started
}

// instance is one process of greeter.
type instance struct {
	Name      string  `json:"name"`
	Version   string  `json:"version"`
	Greetings int     `json:"greetings"`
	Noticed   float64 `json:"noticed_ms"` // from its start until it had answered a visit
	Ended     float64 `json:"ended_ms"`   // from SIGTERM until it had answered all and was gone
}

// demonstrate replaces all instances of greeter, one by one, while front is visited. It is
// an error if a visit fails.
func demonstrate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	d := &demonstration{options: o, say: log.New(stdout, "", 0)}
	if o.json {
		d.say.SetOutput(io.Discard)
	}
	if o.verbose {
		d.log = stderr
	}
	err = d.run(ctx)
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	err = errors.Join(err, d.end())
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(stdout).Encode(d.summary())
	}
	d.say.Print(d.table())
	return nil
}

type demonstration struct {
	options
	say      *log.Logger
	log      io.Writer // of the processes; nil is nowhere but in errors
	address  string    // of Consul's agent
	agent    *process
	front    *process
	greeters []*replica
	load     load
}

// replica is an instance of greeter and its process.
type replica struct {
	instance
	process *process
}

func (d *demonstration) run(ctx context.Context) (err error) {
	if err := d.findConsul(ctx); err != nil {
		return err
	}
	registry, err := consul.New(consul.Config{Address: d.address})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	if err := unused(ctx, registry, "front", "greeter"); err != nil {
		return err
	}
	for range d.instances {
		if _, err := d.greet("v1"); err != nil {
			return err
		}
	}
	if d.front, err = d.serve("front", "front"); err != nil {
		return err
	}

	// The visits come through a mesh too: that is how front is found.
	m, err := mesh.Open(ctx, mesh.WithResolver(registry))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	defer func() { err = errors.Join(err, transport.Close()) }()
	d.load = load{client: &http.Client{Transport: transport}, seen: counts{Errors: []string{}, Greetings: map[string]int{}}}
	if err := d.answers(ctx); err != nil {
		return err
	}

	loading, stop := context.WithCancel(ctx)
	var loaded sync.WaitGroup
	loaded.Go(func() { d.load.run(loading, d.rate) })
	err = d.replaceAll(ctx)
	stop()
	loaded.Wait()
	if err == nil && d.load.seen.Failed > 0 {
		err = fmt.Errorf("%d of %d visits failed, the first with: %s", d.load.seen.Failed, d.load.seen.Visits, d.load.seen.Errors[0])
	}
	return err
}

// findConsul is the Consul that runs, or starts one.
func (d *demonstration) findConsul(ctx context.Context) error {
	if d.consul != "" {
		p, address, err := agent(ctx, d.consul, d.log)
		if err != nil {
			return err
		}
		d.agent, d.address = p, address
		d.say.Printf("started %s, a development agent at http://%s", d.consul, address)
		return nil
	}
	d.address = os.Getenv("CONSUL_HTTP_ADDR")
	if d.address == "" {
		d.address = "127.0.0.1:8500"
	}
	d.say.Printf("using the Consul at %s", d.address)
	return nil
}

// unused wants that there are no instances but those to come.
func unused(ctx context.Context, registry *consul.Registry, services ...string) error {
	for _, service := range services {
		found, err := registry.Lookup(ctx, service)
		switch {
		case errors.Is(err, discovery.ErrUnknownService):
		case err != nil:
			return fmt.Errorf("asking Consul for %s (CONSUL_HTTP_ADDR says where it is, and -consul starts one): %w", service, err)
		case len(found) > 0:
			return fmt.Errorf("consul has %d instances of %s already, which this example has not started: end them first", len(found), service)
		}
	}
	return nil
}

// serve starts one of the two services.
func (d *demonstration) serve(name string, args ...string) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(name, d.log, []string{"CONSUL_HTTP_ADDR=" + d.address}, program, args...)
}

// greet starts another instance of greeter.
func (d *demonstration) greet(version string) (*replica, error) {
	g := &replica{instance: instance{Name: fmt.Sprintf("greeter-%d", len(d.greeters)+1), Version: version}}
	var err error
	g.process, err = d.serve(g.Name, "greeter", "-name", g.Name, "-version", version)
	if err != nil {
		return nil, err
	}
	d.greeters = append(d.greeters, g)
	return g, nil
}

// answers returns when front is found, and has found every greeter.
func (d *demonstration) answers(ctx context.Context) error {
	began := time.Now()
	err := eventually(ctx, 20*time.Second, func() error {
		var v visit
		if err := errors.Join(d.alive(), fetch(ctx, d.load.client, "http://front/", &v)); err != nil {
			return err
		}
		d.load.seen.Greetings[v.HTTP]++
		d.load.seen.Greetings[v.GRPC]++
		for _, g := range d.greeters {
			if d.load.seen.Greetings[g.Name] == 0 {
				return fmt.Errorf("%s was not seen", g.Name)
			}
			if g.Noticed == 0 {
				g.Noticed = millis(began)
			}
		}
		return nil
	})
	if err == nil {
		d.say.Printf("front visits %d instances of greeter v1, over HTTP and gRPC", len(d.greeters))
	}
	return err
}

// replaceAll puts v2 in the place of each instance, as a deployment would.
func (d *demonstration) replaceAll(ctx context.Context) error {
	for i, old := range slices.Clone(d.greeters) {
		began := time.Now()
		if err := old.process.end(); err != nil {
			return err
		}
		old.Ended = millis(began)
		began = time.Now()
		g, err := d.greet("v2")
		if err != nil {
			return err
		}
		if err := eventually(ctx, 20*time.Second, func() error {
			if d.load.greetings(g.Name) == 0 {
				return errors.Join(d.alive(), fmt.Errorf("%s was not seen", g.Name))
			}
			return nil
		}); err != nil {
			return err
		}
		g.Noticed = millis(began)
		if err := rest(ctx); err != nil {
			return err
		}
		d.say.Printf("%d of %d: %s ended in %.1f s, %s (v2) answered %.1f s after its start",
			i+1, d.instances, old.Name, old.Ended/1000, g.Name, g.Noticed/1000)
	}
	return nil
}

// rest lets the new instance work for a while.
func rest(ctx context.Context) error {
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// alive is an error if a process has ended that was not told to.
func (d *demonstration) alive() error {
	errs := []error{d.front.alive()}
	for _, g := range d.greeters {
		if g.Ended == 0 {
			errs = append(errs, g.process.alive())
		}
	}
	return errors.Join(errs...)
}

// end ends what is left: callers first, and Consul last.
func (d *demonstration) end() error {
	var errs []error
	if d.front != nil {
		errs = append(errs, d.front.end())
	}
	var ending sync.WaitGroup
	errsOf := make([]error, len(d.greeters))
	for i, g := range d.greeters {
		if g.Ended == 0 {
			ending.Go(func() {
				began := time.Now()
				errsOf[i] = g.process.end()
				g.Ended = millis(began)
			})
		}
	}
	ending.Wait()
	errs = append(errs, errsOf...)
	if d.agent != nil {
		errs = append(errs, d.agent.stop())
	}
	return errors.Join(errs...)
}

func (d *demonstration) summary() summary {
	s := summary{Consul: d.address, counts: d.load.seen}
	for _, g := range d.greeters {
		g.Greetings = d.load.seen.Greetings[g.Name]
		s.Instances = append(s.Instances, g.instance)
	}
	return s
}

func (d *demonstration) table() string {
	s := d.summary()
	var text strings.Builder
	fmt.Fprintf(&text, "\n%d visits, %d failed\n\n", s.Visits, s.Failed)
	const row = "%-12s%-9v%-11v%-12v%v\n"
	fmt.Fprintf(&text, row, "INSTANCE", "VERSION", "GREETINGS", "SEEN AFTER", "ENDED IN")
	for _, g := range s.Instances {
		fmt.Fprintf(&text, row, g.Name, g.Version, g.Greetings, seconds(g.Noticed), seconds(g.Ended))
	}
	return text.String()
}

func seconds(ms float64) string { return fmt.Sprintf("%.1f s", ms/1000) }

func millis(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/app"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/load"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/report"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/services"
)

// refresh is how often the table is drawn.
const refresh = time.Second

// run runs the example until ctx ends or its time is over, and ends all of it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, remove, err := policiesDir(o.policies)
	if err != nil {
		return err
	}
	defer remove()
	events := &report.Events{}
	a, err := open(ctx, o, dir, events)
	if err != nil {
		return err
	}
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	l := load.New(load.Config{URL: a.URL(), RPS: o.rps, User: o.user})
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx) })
	if !o.json {
		watch(ctx, a, l, events, report.NewScreen(stdout))
	}
	running.Wait()
	if err := a.Close(); err != nil {
		return err
	}
	if o.json {
		return report.Summary{Edges: a.Edges(), PolicyErrors: events.Errors()}.Write(stdout)
	}
	return nil
}

// open starts the services. When the default address of the page is taken, the page
// moves to a free port.
func open(ctx context.Context, o options, dir string, events *report.Events) (*app.App, error) {
	cfg := app.Config{
		Policies: dir,
		Listen:   o.listen,
		Ratings:  o.ratings,
		Flaky:    services.Flaky(o.flaky),
		Events:   slog.New(events.Handler()),
	}
	a, err := app.Start(ctx, cfg)
	var refused *net.OpError
	if !o.chosen && errors.As(err, &refused) && refused.Op == "listen" {
		events.Say(o.listen + " is taken; the page is at a free port")
		cfg.Listen = ""
		a, err = app.Start(ctx, cfg)
	}
	return a, err
}

// watch shows the table until ctx ends.
func watch(ctx context.Context, a *app.App, l *load.Load, events *report.Events, screen *report.Screen) {
	start := time.Now()
	before, at := a.Edges(), start
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		now, t := a.Edges(), time.Now()
		screen.Show(report.Frame{
			URL:    a.URL(),
			Uptime: t.Sub(start),
			Window: t.Sub(at),
			Edges:  now.Since(before),
			Load:   l.Stats(),
			Events: events.Latest(),
		})
		before, at = now, t
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

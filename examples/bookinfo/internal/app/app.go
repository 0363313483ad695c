// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/services"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/telemetry/edges"
)

// trustDomain is the one of all identities.
const trustDomain = "cluster.local"

// App is bookinfo, running.
type App struct {
	cfg       Config
	registry  *discovery.Memory
	authority *ca.Development
	table     *edges.Table
	nodes     []*Node      // in the order in which they were started
	listener  net.Listener // of the page, from the start on, so that a taken address fails at once
	front     *server
}

// Start starts everything, the services that are called before those that call, and
// returns when all of them are known to the registry. ctx bounds the start alone;
// Close ends the App.
func Start(ctx context.Context, cfg Config) (*App, error) {
	authority, err := ca.NewDevelopment(trustDomain, ca.Config{})
	if err != nil {
		return nil, err
	}
	a := &App{
		cfg:       cfg.complete(),
		registry:  discovery.NewMemory(),
		authority: authority,
		table:     edges.New(edges.Config{}),
	}
	if a.listener, err = listen(a.cfg.Listen); err != nil {
		return nil, err
	}
	if err := a.start(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// start starts the services from the last to the first.
func (a *App) start(ctx context.Context) error {
	for i := range a.cfg.Ratings {
		if _, err := a.startRatings(ctx, i); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context) error{a.startDetails, a.startReviews, a.startProductpage} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	for service, instances := range map[string]int{"ratings": a.cfg.Ratings, "details": 1, "reviews": 3, "productpage": 1} {
		if err := a.await(ctx, service, instances); err != nil {
			return err
		}
	}
	return a.startIngress(ctx)
}

// await waits until the registry knows that many instances of a service.
func (a *App) await(ctx context.Context, service string, instances int) error {
	for eps, err := range a.registry.Watch(ctx, service) {
		if err == nil && len(eps) >= instances {
			return nil
		}
	}
	return fmt.Errorf("app: start of %s: %w", service, context.Cause(ctx))
}

// startRatings starts instance i of ratings: one service, two ports.
func (a *App) startRatings(ctx context.Context, i int) (*Node, error) {
	n, err := a.Open(ctx, mesh.Workload{Service: "ratings", Version: "v1"}, i)
	if err != nil {
		return nil, err
	}
	flaky := services.Flaky(0)
	if i == a.cfg.Ratings-1 {
		flaky = a.cfg.Flaky
	}
	if err := n.serveHTTP(services.Ratings(flaky)); err != nil {
		return nil, err
	}
	if err := n.serveRatings(9081, &services.RatingsServer{Flaky: flaky}); err != nil {
		return nil, err
	}
	n.announce()
	return n, nil
}

func (a *App) startDetails(ctx context.Context) error {
	n, err := a.Open(ctx, mesh.Workload{Service: "details", Version: "v1"}, 0)
	if err != nil {
		return err
	}
	if err := n.serveHTTP(services.Details()); err != nil {
		return err
	}
	n.announce()
	return nil
}

// startReviews starts the three versions: without stars, with black ones asked for
// over HTTP, with red ones asked for over gRPC.
func (a *App) startReviews(ctx context.Context) error {
	for i, color := range []string{"", "black", "red"} {
		version := "v" + strconv.Itoa(i+1)
		n, err := a.Open(ctx, mesh.Workload{Service: "reviews", Version: version}, 0)
		if err != nil {
			return err
		}
		cfg := services.ReviewsConfig{Version: version, Color: color}
		switch color {
		case "black":
			cfg.Stars = services.HTTPStars(n.HTTP())
		case "red":
			cc, err := n.GRPC("ratings:9081")
			if err != nil {
				return err
			}
			cfg.Stars = services.GRPCStars(cc)
		}
		if err := n.serveHTTP(services.Reviews(cfg)); err != nil {
			return err
		}
		n.announce()
	}
	return nil
}

func (a *App) startProductpage(ctx context.Context) error {
	n, err := a.Open(ctx, mesh.Workload{Service: "productpage", Version: "v1"}, 0)
	if err != nil {
		return err
	}
	if err := n.serveHTTP(services.Productpage(n.HTTP())); err != nil {
		return err
	}
	n.announce()
	return nil
}

// startIngress opens the page for browsers: plain HTTP, and not in the registry.
func (a *App) startIngress(ctx context.Context) error {
	n, err := a.Open(ctx, mesh.Workload{Service: "ingress", Version: "v1"}, 0)
	if err != nil {
		return err
	}
	a.front = serve(a.listener, n.ingress(), nil, a.cfg.Logger)
	return nil
}

// URL is the page in the browser.
func (a *App) URL() string { return "http://" + addrOf(a.listener).String() + "/productpage" }

// Edges is what was counted so far between the services.
func (a *App) Edges() edges.Snapshot { return a.table.Snapshot() }

// Nodes are all instances, in the order in which they were started.
func (a *App) Nodes() []*Node { return a.nodes }

// Close ends everything, from the front to the back, so that what is in flight is
// answered. It returns when no goroutine of the App is left.
func (a *App) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	var errs []error
	if a.front != nil {
		errs = append(errs, a.front.shutdown(ctx))
	} else {
		errs = append(errs, a.listener.Close())
	}
	for i := len(a.nodes) - 1; i >= 0; i-- {
		errs = append(errs, a.nodes[i].Close(ctx))
	}
	return errors.Join(errs...)
}

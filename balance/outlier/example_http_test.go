// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// One of two instances answers 503 to everything. It gets three calls and no more.
func Example() {
	detector := outlier.New(outlier.Config{Consecutive5xx: 3})
	cluster := balance.NewCluster(balance.ClusterConfig{
		Destination: enmesh.Destination{Service: "reviews"},
		Gates:       func(e *balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{detector.Gate(e)} },
	})
	good, bad := answering(http.StatusOK), answering(http.StatusServiceUnavailable)
	defer good.Close()
	defer bad.Close()
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{good.Listener.Addr().String()}}, {Addrs: []string{bad.Listener.Addr().String()}}})

	transport := meshhttp.NewTransport(nil, enmesh.Fixed(false), only{cluster})
	defer transport.Close()
	client := &http.Client{Transport: transport}
	statuses := map[int]int{}
	for range 100 {
		res, err := client.Get("http://reviews/")
		if err != nil {
			fmt.Println(err)
			return
		}
		statuses[res.StatusCode]++
		_ = res.Body.Close()
	}
	fmt.Println(statuses)
	for _, v := range detector.Report() {
		if v.Ejected {
			fmt.Println("ejected:", v.Why)
		}
	}
	// Output:
	// map[200:97 503:3]
	// ejected: consecutive_5xx
}

// only is a source with one cluster.
type only struct{ cluster *balance.Cluster }

func (o only) Cluster(enmesh.Destination, enmesh.Protocol) *balance.Cluster { return o.cluster }

// answering is an instance that answers everything with a status.
func answering(status int) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command client calls the service of this example, and knows nothing of enmesh: a plain
// program on grpc-go that dials xds:///greeter. Its agent is named by the file that
// GRPC_XDS_BOOTSTRAP names. It prints how its calls ended.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/status"
	_ "google.golang.org/grpc/xds" // the scheme xds
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func main() {
	n := flag.Int("n", 10, "`calls` to make")
	flag.Parse()
	if err := greet(*n); err != nil {
		log.Fatal(err)
	}
}

// greet makes n calls and prints how many ended in which way.
func greet(n int) error {
	// Credentials of xDS do what the agent says, and these where it says nothing.
	creds, err := xdscreds.NewClientCredentials(xdscreds.ClientOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		return err
	}
	cc, err := grpc.NewClient("xds:///greeter", grpc.WithTransportCredentials(creds))
	if err != nil {
		return err
	}
	defer func() { _ = cc.Close() }()
	ends := map[string]int{}
	for range n {
		ends[call(cc)]++
	}
	fmt.Printf("%d calls", n)
	for _, end := range slices.Sorted(maps.Keys(ends)) {
		fmt.Printf(", %d %s", ends[end], end)
	}
	fmt.Println()
	return nil
}

// call says who greeted, or why nobody did.
func call(cc *grpc.ClientConn) string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var answer wrapperspb.StringValue
	if err := cc.Invoke(ctx, "/hello.Greeter/Greet", wrapperspb.String("world"), &answer); err != nil {
		return status.Code(err).String()
	}
	_, who, _ := strings.Cut(answer.GetValue(), ", says ")
	return who
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/admin"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	_ "google.golang.org/grpc/xds" // what a program imports to dial xds:///
)

// goClient is a client of grpc-go that knows nothing of enmesh. Its twin in Node is
// testdata/client.js.
type goClient struct {
	mu       sync.Mutex // guards channels and load
	channels map[string]*grpc.ClientConn
	load     *steady
}

// steady is calls at a steady pace.
type steady struct {
	stop context.CancelFunc
	wait sync.WaitGroup
	mu   sync.Mutex // guards ends
	ends []end
}

// clientMain follows orders until the input ends.
func clientMain() {
	c := &goClient{channels: map[string]*grpc.ClientConn{}}
	var mu sync.Mutex // guards out
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			panic(err)
		}
		follow := func() {
			a := c.follow(o)
			a.ID = o.ID
			mu.Lock()
			defer mu.Unlock()
			_ = out.Encode(a) //nolint:errchkjson // whoever asked may be gone
		}
		if o.Do == "dial" {
			follow() // before what comes after it
			continue
		}
		go follow()
	}
	os.Exit(0)
}

func (c *goClient) follow(o order) answer {
	switch o.Do {
	case "dial":
		return c.dial(o)
	case "hangup":
		c.mu.Lock()
		defer c.mu.Unlock()
		_ = c.channels[o.Channel].Close()
		delete(c.channels, o.Channel)
		return answer{}
	case "calls":
		return answer{Calls: c.calls(o)}
	case "ping":
		return c.ping(o)
	case "begin":
		c.begin(o)
		return answer{}
	case "stop":
		return answer{Calls: c.end()}
	case "admin":
		return c.admin()
	}
	return answer{Error: "unknown order " + o.Do}
}

func (c *goClient) dial(o order) answer {
	creds := insecure.NewCredentials()
	if o.Secure {
		var err error
		if creds, err = xdscreds.NewClientCredentials(xdscreds.ClientOptions{FallbackCreds: creds}); err != nil {
			return answer{Error: err.Error()}
		}
	}
	cc, err := grpc.NewClient(o.Target, grpc.WithTransportCredentials(creds), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	if err != nil {
		return answer{Error: err.Error()}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.channels[o.Channel] = cc
	return answer{}
}

func (c *goClient) channel(name string) *grpc.ClientConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channels[name]
}

// callContext is that of a call: its headers and its deadline, 30 s where none is said.
func callContext(o order) (context.Context, context.CancelFunc) {
	timeout := time.Duration(o.Timeout) * time.Millisecond
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	return context.WithTimeout(metadata.NewOutgoingContext(context.Background(), metadata.New(o.Headers)), timeout)
}

func (c *goClient) call(o order) end {
	ctx, cancel := callContext(o)
	defer cancel()
	in, out, head := make([]byte, o.Bytes), []byte(nil), metadata.MD{}
	began := time.Now()
	err := c.channel(o.Channel).Invoke(ctx, o.Method, &in, &out, grpc.Header(&head))
	e := end{Code: status.Code(err), MS: int(time.Since(began).Milliseconds()), Bytes: len(out)}
	if err != nil {
		e.Text = status.Convert(err).Message()
	}
	if who := head.Get("who"); len(who) > 0 {
		e.Who = who[0]
	}
	return e
}

// calls makes o.N calls, o.At at once, and says how each ended, in order.
func (c *goClient) calls(o order) []end {
	ends := make([]end, max(o.N, 1))
	places := make(chan int, len(ends))
	for i := range ends {
		places <- i
	}
	close(places)
	var wait sync.WaitGroup
	for range max(o.At, 1) {
		wait.Go(func() {
			for i := range places {
				ends[i] = c.call(o)
			}
		})
	}
	wait.Wait()
	return ends
}

// ping sends one message of each size over a stream, the next when the last is back.
func (c *goClient) ping(o order) answer {
	ctx, cancel := callContext(o)
	defer cancel()
	var back []int
	over := func(err error) answer {
		if err == io.EOF {
			err = nil
		}
		return answer{Sizes: back, Calls: []end{{Code: status.Code(err), Text: status.Convert(err).Message()}}}
	}
	s, err := c.channel(o.Channel).NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, o.Method)
	if err != nil {
		return over(err)
	}
	for _, n := range o.Sizes {
		m := make([]byte, n)
		if err := s.SendMsg(&m); err != nil {
			return over(s.RecvMsg(&m))
		}
		if err := s.RecvMsg(&m); err != nil {
			return over(err)
		}
		back = append(back, len(m))
	}
	_ = s.CloseSend()
	return over(s.RecvMsg(new([]byte)))
}

// begin calls every so often until end.
func (c *goClient) begin(o order) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &steady{stop: cancel}
	l.wait.Go(func() {
		tick := time.NewTicker(time.Duration(o.Every) * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				l.wait.Go(func() {
					e := c.call(o)
					l.mu.Lock()
					defer l.mu.Unlock()
					l.ends = append(l.ends, e)
				})
			}
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load = l
}

func (c *goClient) end() []end {
	c.mu.Lock()
	l := c.load
	c.mu.Unlock()
	l.stop()
	l.wait.Wait()
	return l.ends
}

// admin serves the client status service.
func (c *goClient) admin() answer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return answer{Error: err.Error()}
	}
	s := grpc.NewServer()
	if _, err := admin.Register(s); err != nil {
		return answer{Error: err.Error()}
	}
	go func() { _ = s.Serve(l) }()
	return answer{Addr: l.Addr().String()}
}

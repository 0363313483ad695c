// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/enmesh-go/enmesh/internal/ledger"
)

// roleVariable says which fortress a process of this test is, by its name; "" for the test
// itself.
const roleVariable = "ENMESH_SCENARIO_ROLE"

// serveApart is a fortress until the input ends.
func serveApart(name string) {
	g := &fortress{name: name, rpc: strings.HasPrefix(name, "gRPC")}
	var secure *tls.Config
	if strings.HasSuffix(name, "over TLS") {
		secure, _ = certificates()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	serve, stop := g.web(secure)
	if g.rpc {
		serve, stop = g.calls(secure)
	}
	go func() { _ = serve(listener) }()
	fmt.Println(listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
}

// apart is a fortress in a process of its own, so that what it spends can be told from what
// its attackers do. end ends it, and says how long it had a processor.
func apart(t *testing.T, name string) (g *fortress, end func() time.Duration) {
	t.Helper()
	g = &fortress{name: name, rpc: strings.HasPrefix(name, "gRPC")}
	if strings.HasSuffix(name, "over TLS") {
		_, g.secure = certificates()
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+name)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() time.Duration {
		if !ended {
			ended = true
			_ = in.Close() // it ends by itself then
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	t.Cleanup(func() { end() })
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	g.addr = strings.TrimSpace(said)
	return g, end
}

// TestScenarioR1_processor: a server that is attacked by rapid reset for all the time, and
// serves honest clients beside that, takes one processor at most; without the race detector.
func TestScenarioR1_processor(t *testing.T) {
	ledger.Baseline(t)
	for _, name := range []string{"HTTP", "HTTP over TLS", "gRPC", "gRPC over TLS"} {
		g, end := apart(t, name)
		load := ledger.Start(t.Context(), ledger.Config{Call: g.honest(t), Rate: honestRate})
		conns, began := 0, time.Now()
		for until := began.Add(ledger.Short(60*time.Second) / 4); time.Now().Before(until); conns++ {
			c := rawTo(t, g)
			if took, ended := c.flood(50_000, endAtAll, c.openAndReset); !ended {
				t.Errorf("%s: the connection is still open after %v", name, took)
			}
			c.close()
		}
		load.Stop()
		r, lasted := load.Wait(), time.Since(began)
		spent := end()
		t.Logf("%s: %d connections in %v, and %d of %d honest calls answered: %.2f processors", name, conns, lasted.Round(time.Millisecond), r.OK, r.Sent, spent.Seconds()/lasted.Seconds())
		if conns == 0 || r.OK == 0 {
			t.Errorf("%s: %d connections attacked and %d honest calls were answered", name, conns, r.OK)
		}
		if judgesLatency && spent > lasted {
			t.Errorf("%s: %v of processor time in %v, want one processor at most", name, spent, lasted)
		}
	}
}

// openAndReset is what rapid reset does again and again.
func (c *rawClient) openAndReset() error {
	id, err := c.open(true)
	if err != nil {
		return err
	}
	return c.WriteRSTStream(id, http2.ErrCodeCancel)
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/internal/redistest"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/limit/redislimit"
)

// nowhere is where no Redis is.
func nowhere(t testing.TB) redislimit.Servers {
	t.Helper()
	return at(redistest.Loopback(redistest.Ports(t)))
}

func TestNew_refusesBadConfigs(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	good := redislimit.Config{Name: "n", Rate: 1}
	for field, change := range map[string]func(*redislimit.Config){
		"Name":       func(c *redislimit.Config) { c.Name = "" },
		"Rate 0":     func(c *redislimit.Config) { c.Rate = 0 },
		"Rate -1":    func(c *redislimit.Config) { c.Rate = -1 },
		"Rate NaN":   func(c *redislimit.Config) { c.Rate = math.NaN() },
		"Rate 2e":    func(c *redislimit.Config) { c.Rate = 2e6 },
		"Rate +Inf":  func(c *redislimit.Config) { c.Rate = math.Inf(1) },
		"Burst -1":   func(c *redislimit.Config) { c.Burst = -1 },
		"Burst 300":  func(c *redislimit.Config) { c.Rate, c.Burst = 1e-4, 300 },
		"Burst 0":    func(c *redislimit.Config) { c.Rate = 1e-9 },
		"Lease":      func(c *redislimit.Config) { c.Lease = time.Minute },
		"Timeout 1µ": func(c *redislimit.Config) { c.Timeout = time.Microsecond },
		"Timeout 1m": func(c *redislimit.Config) { c.Timeout = time.Minute },
		"Instances":  func(c *redislimit.Config) { c.Instances = -1 },
		"MaxKeys":    func(c *redislimit.Config) { c.MaxKeys = -1 },

		"limit: Status 200":   func(c *redislimit.Config) { c.Status = 200 },
		"limit: Name":         func(c *redislimit.Config) { c.Name = `a"b` },
		"limit: what is left": func(c *redislimit.Config) { c.Headers = limit.Always },
	} {
		cfg := good
		change(&cfg)
		if _, err := redislimit.New(client, cfg, nil); err == nil || !strings.HasPrefix(err.Error(), "redislimit: "+field) {
			t.Errorf("%s: got the error %v, want one that names it", field, err)
		}
	}
	if _, err := redislimit.New(nil, good, nil); err == nil {
		t.Error("New without a client succeeds, want an error")
	}
	if _, err := redislimit.Connect(redislimit.Servers{}); err == nil {
		t.Error("Connect without addresses succeeds, want an error")
	}
	if _, err := redislimit.Connect(redislimit.Servers{Addrs: []string{"a:1"}, Cluster: true, Master: "m"}); err == nil {
		t.Error("Connect to a cluster under Sentinel succeeds, want an error")
	}
}

func TestQuota_refusal(t *testing.T) {
	server := redistest.Start(t)
	q := open(t, at(server.Addr), redislimit.Config{Name: "refusal", Rate: 0.1, Burst: 3}, nil)
	if got := take(q, "", 3); got != 3 {
		t.Fatalf("%d of 3 admitted, want 3", got)
	}
	err := admit(q, "")
	e := enmesh.ErrorOf(err)
	if !errors.Is(err, limit.ErrLimited) || e.Code != enmesh.ResourceExhausted || e.Status != 429 ||
		e.Flag != enmesh.FlagRateLimited || e.Outcome != enmesh.Neutral || !e.Unsent || e.Policy != "redislimit" {
		t.Errorf("got %#v, want ErrLimited, 429, RL, neutral, unsent", e)
	}
	if e.RetryAfter < 9*time.Second || e.RetryAfter > 10*time.Second {
		t.Errorf("retry after %v, want the 10 s that a permit takes", e.RetryAfter)
	}
	answer := enmeshtest.Header{}
	c := &enmesh.Call{Side: enmesh.Server, Clock: enmesh.Now(), Answer: enmesh.Answer{Header: answer}}
	if _, err := q.Admit(t.Context(), c); err == nil {
		t.Fatal("a fourth call is admitted")
	}
	if got := answer.Get("Ratelimit-Policy") + " " + answer.Get("Ratelimit"); got != `"refusal";q=3;w=30 "refusal";r=0;t=10` {
		t.Errorf("the refusal's headers are %q", got)
	}
	if s := q.Stats(); s.Admitted != 3 || s.Refused != 2 || s.Local != 0 || s.Open != 0 || s.Keys != 1 {
		t.Errorf("got %+v, want 3 admitted, 2 refused, none locally", s)
	}
}

// Most decisions touch no network: neither far below the limit nor far above it.
func TestQuota_asksSeldom(t *testing.T) {
	for _, tt := range []struct {
		name string
		rate float64
		most float64 // round trips for a decision
	}{{"below", 100_000, 0.02}, {"above", 1000, 0.15}} {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t)
			quotas := fleet(t, 2, at(server.Addr), redislimit.Config{Name: "seldom", Rate: tt.rate, Burst: int(tt.rate / 5)}, nil)
			l := offer(quotas, 2000)
			l.until(2 * time.Second)
			s := l.end()
			ratio := float64(asked(quotas)) / float64(len(s))
			t.Logf("%v; %d round trips, %.4f for a decision", s, asked(quotas), ratio)
			if ratio > tt.most {
				t.Errorf("%.4f round trips for a decision, want at most %v", ratio, tt.most)
			}
			if tt.name == "below" && s.admitted() != len(s) {
				t.Errorf("%d refused below the limit, want 0", len(s)-s.admitted())
			}
		})
	}
}

// Leases that are not used are lost, and do not let more through.
func TestQuota_leasesAreBounded(t *testing.T) {
	server := redistest.Start(t)
	cfg := redislimit.Config{Name: "bounded", Rate: 1000, Burst: 40}
	quotas := fleet(t, 2, at(server.Addr), cfg, nil)
	got, began := 0, time.Now()
	for range 400 {
		for _, q := range quotas {
			got += take(q, "", 1)
		}
	}
	limit := 40 + 1000*time.Since(began).Seconds()
	t.Logf("%d admitted at once, the limit is %.0f", got, limit)
	if float64(got) > limit+1 {
		t.Errorf("%d admitted, want at most %.0f", got, limit)
	}
}

// Many keys, one of them hot: each has its own limit, and memory has its bound.
func TestQuota_boundsItsKeys(t *testing.T) {
	server := redistest.Start(t)
	q := open(t, at(server.Addr), redislimit.Config{Name: "keys", Rate: 0.01, Burst: 2, MaxKeys: 640}, byAuthority)
	if got := take(q, "hot", 5); got != 2 {
		t.Fatalf("%d of 5 admitted, want 2", got)
	}
	for i := range 3000 {
		take(q, strconv.Itoa(i), 1)
		if got := take(q, "hot", 1); got != 0 {
			t.Fatalf("after %d other keys the one that is limited is forgiven", i)
		}
	}
	if got := q.Stats().Keys; got > 640 {
		t.Errorf("%d keys in memory, want at most 640", got)
	}
}

// Without Redis an attack by many keys gets no more than the table's size and one share.
func TestQuota_boundsItsKeysWithoutRedis(t *testing.T) {
	q := open(t, nowhere(t), redislimit.Config{Name: "keys", Rate: 0.01, Burst: 2, Instances: 2, MaxKeys: 640}, byAuthority)
	await(t, "the breaker to open", func() bool { take(q, "hot", 1); return q.Stats().Open == 1 })
	admitted := 0
	for i := range 5000 {
		admitted += take(q, strconv.Itoa(i), 1)
		if got := take(q, "hot", 1); got != 0 {
			t.Fatalf("after %d other keys the one that is limited is forgiven", i)
		}
	}
	if admitted > 641 || q.Stats().Keys > 640 {
		t.Errorf("%d of 5000 keys admitted, %d in memory, want at most 641 and 640", admitted, q.Stats().Keys)
	}
}

func TestQuota_learnsHowManyShareIt(t *testing.T) {
	server := redistest.Start(t)
	quotas := fleet(t, 5, at(server.Addr), redislimit.Config{Name: "members", Rate: 1}, nil)
	known(t, quotas)
	for _, key := range server.Keys() {
		if left := server.Do("PTTL", key).(int64); left < 0 || left > 3000 {
			t.Errorf("%s lives for %d ms, want at most 3 s", key, left)
		}
	}
	if err := quotas[0].Close(); err != nil {
		t.Fatal(err)
	}
	if got := take(quotas[0], "", 1); got != 1 { // its share of a burst of one
		t.Errorf("%d admitted after Close, want 1", got)
	}
	if s := quotas[0].Stats(); s.Local != 1 {
		t.Errorf("after Close %+v, want one local decision", s)
	}
}

// A call whose caller goes away while Redis is silent ends then, with its own error.
func TestQuota_endsWithItsCaller(t *testing.T) {
	server := redistest.Start(t)
	q := open(t, at(server.Addr), redislimit.Config{Name: "gone", Rate: 1, Timeout: time.Second}, nil)
	await(t, "a first heartbeat", func() bool { return q.Stats().Instances == 1 })
	server.Freeze()
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(nil) })
	_, err := q.Admit(ctx, &enmesh.Call{Clock: enmesh.Now()})
	if e := enmesh.ErrorOf(err); e != enmesh.ErrCanceled {
		t.Errorf("got %v, want ErrCanceled", err)
	}
}

// A client that heeds no deadline makes no call wait longer than the quota's timeout.
func TestQuota_trustsNoClient(t *testing.T) {
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr, ReadTimeout: 2 * time.Second})
	defer client.Close()
	q, err := redislimit.New(client, redislimit.Config{Name: "deaf", Rate: 100, Instances: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	server.Freeze()
	l := offer([]*redislimit.Quota{q}, 400)
	l.until(time.Second)
	s := l.end()
	t.Logf("%v", s)
	if got := s.slowest(1); got > 500*time.Millisecond {
		t.Errorf("a call took %v, want about 20ms", got)
	}
	if got := s.admitted(); got < 100 || got > 210 {
		t.Errorf("%d admitted in a second, want about the burst of 100 and the rate of 100", got)
	}
	server.Thaw()
}

// A server that speaks the protocol and answers nonsense is no Redis.
func TestQuota_distrustsAnswers(t *testing.T) {
	for _, reply := range []string{"+OK\r\n", ":7\r\n", "*1\r\n:1\r\n", "*3\r\n:99\r\n:0\r\n:0\r\n", "*3\r\n:-1\r\n:0\r\n:0\r\n", "$1\r\nx\r\n", "?\r\n"} {
		t.Run(strings.TrimSpace(reply), func(t *testing.T) {
			q := open(t, at(impostor(t, reply)), redislimit.Config{Name: "impostor", Rate: 0.01, Burst: 8, Instances: 4, Timeout: 200 * time.Millisecond}, nil)
			if got := take(q, "", 20); got != 2 {
				t.Errorf("%d of 20 admitted, want the share of 2", got)
			}
			if s := q.Stats(); s.Local != 20 || s.Failed == 0 {
				t.Errorf("got %+v, want all decided locally, and failures", s)
			}
		})
	}
}

// impostor answers every script so, and everything else with an error.
func impostor(t *testing.T, reply string) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer conn.Close(); answer(conn, reply) })
		}
	})
	return l.Addr().String()
}

func answer(conn net.Conn, reply string) {
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil || line[0] != '*' {
			return
		}
		n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
		name := ""
		for i := range n {
			size, _ := r.ReadString('\n')
			length, _ := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(size, "$")))
			text := make([]byte, length+2)
			if _, err := io.ReadFull(r, text); err != nil {
				return
			}
			if i == 0 {
				name = strings.ToUpper(string(text[:length]))
			}
		}
		said := "-ERR what\r\n"
		if strings.HasPrefix(name, "EVAL") {
			said = reply
		}
		if _, err := io.WriteString(conn, said); err != nil {
			return
		}
	}
}

// shut is a quota that has been closed: it decides by its share, and needs no sockets,
// which would stall a bubble.
func shut(t *testing.T, cfg redislimit.Config) *redislimit.Quota {
	t.Helper()
	client := redis.NewClient(&redis.Options{
		Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return nil, io.ErrClosedPipe },
	})
	cfg.Instances = 1
	q, err := redislimit.New(client, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(q.Close(), client.Close()); err != nil {
		t.Fatal(err)
	}
	return q
}

func TestQuota_conforms(t *testing.T) {
	for name, cfg := range map[string]redislimit.Config{
		"wide":  {Name: "conforms", Rate: 1000},
		"tight": {Name: "conforms", Rate: 0.001, Burst: 1},
	} {
		t.Run(name+" gate", func(t *testing.T) {
			enmeshtest.TestGate(t, func() enmesh.Gate { return shut(t, cfg) })
		})
		t.Run(name+" middleware", func(t *testing.T) {
			enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return shut(t, cfg).Middleware() })
		})
	}
}

// What one instance admitted while Redis could not be written is missing for the other, though
// the first gets no more calls.
func TestQuota_repaysWhatItAdmitted(t *testing.T) {
	server := redistest.Start(t)
	quotas := fleet(t, 2, at(server.Addr), redislimit.Config{Name: "repay", Rate: 0.001, Burst: 8, Instances: 2}, byAuthority)
	server.Do("REPLICAOF", "127.0.0.1", "1")
	admitted := take(quotas[0], "key", 20)
	await(t, "the breaker to open", func() bool {
		admitted += take(quotas[0], "key", 1)
		return quotas[0].Stats().Open == 1
	})
	server.Do("REPLICAOF", "NO", "ONE")
	await(t, "the breaker to close", func() bool { return quotas[0].Stats().Open == 0 })
	if rest := take(quotas[1], "key", 20); admitted != 4 || rest != 4 {
		t.Errorf("%d admitted without Redis and %d by the other afterwards, want 4 and 4", admitted, rest)
	}
}

// Each new connection asks for the credentials, so that they may change.
func TestConnect_asksForCredentials(t *testing.T) {
	server := redistest.Start(t)
	server.Do("CONFIG", "SET", "requirepass", "first")
	var asked atomic.Int64
	s := at(server.Addr)
	s.Credentials = func(context.Context) (string, string, error) {
		asked.Add(1)
		return "", "first", nil
	}
	q := open(t, s, redislimit.Config{Name: "secret", Rate: 1, Burst: 4}, nil)
	await(t, "a heartbeat", func() bool { return q.Stats().Instances == 1 })
	if got := take(q, "", 4); got != 4 || asked.Load() == 0 {
		t.Errorf("%d of 4 admitted, credentials asked for %d times; want 4, and some", got, asked.Load())
	}
	wrong := open(t, at(server.Addr), redislimit.Config{Name: "secret", Rate: 1, Burst: 4, Instances: 2}, nil)
	if got := take(wrong, "", 4); got != 2 {
		t.Errorf("%d of 4 admitted without credentials, want the share of 2", got)
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/internal/ledger"
)

// reading is a watch of a folder, and what it has told.
type reading struct {
	mu   sync.Mutex // guards what follows
	now  string     // "key=text key=text"
	told int
	errs []error
	end  context.CancelFunc
	done chan struct{}
}

func readFolder(t *testing.T, r *consul.Registry, name string) (*reading, *consul.Folder) {
	t.Helper()
	folder, err := r.Folder(name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &reading{now: "nothing", end: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		if err := folder.Watch(ctx, w.tell); err != nil {
			t.Errorf("the watch ended with %v", err)
		}
	}()
	return w, folder
}

func (w *reading) tell(files map[string][]byte, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.errs = append(w.errs, err)
		return
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		parts = append(parts, name+"="+string(files[name]))
	}
	w.now = strings.Join(parts, " ")
	w.told++
}

func (w *reading) stop() {
	w.end()
	<-w.done
}

// reasons are those of the errors so far.
func (w *reading) reasons() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, err := range w.errs {
		var e *consul.Error
		if errors.As(err, &e) {
			out = append(out, e.Reason)
		}
	}
	return out
}

func (w *reading) await(t *testing.T, want string) {
	t.Helper()
	began := time.Now()
	consultest.Await(t, 60*time.Second, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.now != want {
			return fmt.Errorf("the folder is told as %q, want %q; errors: %v", w.now, want, w.errs)
		}
		return nil
	})
	t.Logf("%q after %v", want, time.Since(began).Round(time.Millisecond))
}

// awaitReason waits until an error of that kind was told, and holds that the documents
// stayed.
func (w *reading) awaitReason(t *testing.T, reason, stays string) {
	t.Helper()
	consultest.Await(t, 60*time.Second, func() error {
		if got := w.reasons(); !slices.Contains(got, reason) {
			return fmt.Errorf("told the errors %q, want %q", got, reason)
		}
		return nil
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now != stays {
		t.Errorf("after %s the folder is told as %q, want %q as before", reason, w.now, stays)
	}
}

// TestScenarioFolder_followsTheKeys: documents come, change and go, keys beside them do not
// count, and the loss of all is not believed.
func TestScenarioFolder_followsTheKeys(t *testing.T) {
	ledger.Baseline(t)
	node := consultest.Dev(t, consultest.Config{})
	r := open(t, consul.Config{Address: node.Addr})
	defer r.Close()
	w, folder := readFolder(t, r, "mesh/policy")
	defer w.stop()
	w.awaitReason(t, consul.Missing, "nothing")

	node.KVPut("mesh/policy/a.yaml", "one")
	w.await(t, "consul:mesh/policy/a.yaml=one")
	node.KVPut("mesh/policy/notes.txt", "not read")
	node.KVPut("mesh/policy-drafts/b.yaml", "elsewhere")
	node.KVPut("mesh/policy/deep/er/b.JSON", "two")
	w.await(t, "consul:mesh/policy/a.yaml=one consul:mesh/policy/deep/er/b.JSON=two")
	node.KVPut("mesh/policy/a.yaml", "changed")
	w.await(t, "consul:mesh/policy/a.yaml=changed consul:mesh/policy/deep/er/b.JSON=two")
	remove(node, "mesh/policy/a.yaml")
	w.await(t, "consul:mesh/policy/deep/er/b.JSON=two")
	remove(node, "mesh/policy/deep/er/b.JSON")
	w.await(t, "") // notes.txt is a key: somebody wants no documents
	w.mu.Lock()
	w.errs = nil
	w.mu.Unlock()
	node.KVPut("mesh/policy/a.yaml", "again")
	w.await(t, "consul:mesh/policy/a.yaml=again")
	remove(node, "mesh/policy/?recurse")
	w.awaitReason(t, consul.Missing, "consul:mesh/policy/a.yaml=again")
	node.KVPut("mesh/policy/a.yaml", "again")
	consultest.Await(t, 30*time.Second, func() error {
		if s := folder.Status(); s.Err != nil || s.Documents != 1 || s.Confirmed.IsZero() || s.Prefix != "mesh/policy/" {
			return fmt.Errorf("got status %+v, want one document and no error", s)
		}
		return nil
	})
}

func remove(n *consultest.Node, key string) { n.OK(http.MethodDelete, "/v1/kv/"+key, nil, nil) }

// TestScenarioFolder_outlivesConsul: Consul is killed and comes back with nothing of what it
// knew, stands still and goes on, and its data is put back to what they were. Documents are
// lost at no time, and changes are seen after each.
func TestScenarioFolder_outlivesConsul(t *testing.T) {
	ledger.Baseline(t)
	node := consultest.Dev(t, consultest.Config{})
	for i := range 20 { // so that the index falls when all is lost
		node.KVPut("mesh/policy/a.yaml", fmt.Sprint("old ", i))
	}
	snapshot := node.Snapshot()
	node.KVPut("mesh/policy/a.yaml", "one")
	r := open(t, consul.Config{Address: node.Addr, Wait: 5 * time.Second})
	defer r.Close()
	w, folder := readFolder(t, r, "mesh/policy/")
	defer w.stop()
	w.await(t, "consul:mesh/policy/a.yaml=one")

	node.Kill()
	w.awaitReason(t, consul.Unreachable, "consul:mesh/policy/a.yaml=one")
	node.Restart()
	w.awaitReason(t, consul.Missing, "consul:mesh/policy/a.yaml=one")
	node.KVPut("mesh/policy/a.yaml", "two")
	w.await(t, "consul:mesh/policy/a.yaml=two")

	node.Stop()
	w.awaitReason(t, consul.Timeout, "consul:mesh/policy/a.yaml=two")
	node.Cont()
	node.Ready()
	node.KVPut("mesh/policy/a.yaml", "three")
	w.await(t, "consul:mesh/policy/a.yaml=three")

	for range 40 {
		node.KVPut("other", "x")
	}
	node.KVPut("mesh/policy/a.yaml", "four")
	w.await(t, "consul:mesh/policy/a.yaml=four")
	node.Restore(snapshot)
	w.await(t, "consul:mesh/policy/a.yaml=old 19")
	node.KVPut("mesh/policy/a.yaml", "five")
	w.await(t, "consul:mesh/policy/a.yaml=five")
	if s := folder.Status(); s.Changes < 6 {
		t.Errorf("got %d changes counted, want 6", s.Changes)
	}
}

// TestScenarioFolder_tokens: a token that may not see the folder is an error of its own
// kind, and so is one that is taken away.
func TestScenarioFolder_tokens(t *testing.T) {
	ledger.Baseline(t)
	node := consultest.ACL(t)
	node.KVPut("mesh/policy/a.yaml", "one")
	blind := open(t, consul.Config{Address: node.Addr, Token: node.NewToken(`service_prefix "" { policy = "read" }`)})
	defer blind.Close()
	none, _ := readFolder(t, blind, "mesh/policy")
	defer none.stop()
	consultest.Await(t, 30*time.Second, func() error {
		if len(none.reasons()) == 0 {
			return errors.New("nothing was told of a folder that may not be seen")
		}
		return nil
	})
	t.Logf("a token that may not: %v", none.errs)
	secret := node.NewToken(`key_prefix "mesh/" { policy = "read" }`)
	r := open(t, consul.Config{Address: node.Addr, Token: secret, Wait: 2 * time.Second})
	defer r.Close()
	w, _ := readFolder(t, r, "mesh/policy")
	defer w.stop()
	w.await(t, "consul:mesh/policy/a.yaml=one")
	node.RevokeToken(secret)
	w.awaitReason(t, consul.Denied, "consul:mesh/policy/a.yaml=one")
	none.mu.Lock()
	defer none.mu.Unlock()
	if none.told > 0 {
		t.Errorf("a token that may not see the keys was told %q", none.now)
	}
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// trial makes calls and prints what became of them. What is not as it must be is an error.
type trial struct {
	*host
	out *log.Logger
}

// many is how many calls a division is judged by: 10 % of them, give or take five standard
// deviations.
const many, least, most = 1000, 52, 148

func (t *trial) run(ctx context.Context) error {
	if err := t.until(ctx, "v1 serves", regexp.MustCompile(`^20 calls, 20 v1$`)); err != nil {
		return err
	}
	if err := t.tell(ctx, "100 % to v1, Go", "web", t.goClient(200), `^200 calls, 200 v1$`); err != nil {
		return err
	}
	if err := t.edit(); err != nil {
		return err
	}
	if err := t.until(ctx, "v2 has its share", regexp.MustCompile(` v2$`)); err != nil {
		return err
	}
	if err := t.divided(ctx, "90 % to v1, Go", t.goClient(many)); err != nil {
		return err
	}
	if t.node != "" {
		if err := t.divided(ctx, "90 % to v1, Node", t.nodeClient(many)); err != nil {
			return err
		}
		if err := t.tell(ctx, "not the web, Node", "guest", t.nodeClient(5), `^5 calls, 5 PermissionDenied$`); err != nil {
			return err
		}
	}
	return t.tell(ctx, "not the web, Go", "guest", t.goClient(5), `^5 calls, 5 PermissionDenied$`)
}

// goClient is a command that makes n calls.
func (t *trial) goClient(n int) []string { return []string{t.at("client"), "-n", strconv.Itoa(n)} }

// nodeClient is goClient in Node.
func (t *trial) nodeClient(n int) []string {
	return []string{t.node, filepath.Join(t.source, "node", "client.js"), strconv.Itoa(n)}
}

// call runs a client as a workload.
func (t *trial) call(ctx context.Context, workload string, command []string) (string, error) {
	got, err := outputWith(ctx, t.environment(workload), command[0], command[1:]...)
	return strings.TrimSpace(got), err
}

// tell runs a client and prints what it says, which must match.
func (t *trial) tell(ctx context.Context, what, workload string, command []string, want string) error {
	got, err := t.call(ctx, workload, command)
	if err != nil {
		return err
	}
	t.out.Printf("%-18s -> %s", what, got)
	if !regexp.MustCompile(want).MatchString(got) {
		return fmt.Errorf("%s: got %q, want %s", what, got, want)
	}
	return nil
}

// divided runs a client whose calls must be divided.
func (t *trial) divided(ctx context.Context, what string, command []string) error {
	got, err := t.call(ctx, "web", command)
	if err != nil {
		return err
	}
	t.out.Printf("%-18s -> %s", what, got)
	var v1, v2 int
	if _, err := fmt.Sscanf(got, "1000 calls, %d v1, %d v2", &v1, &v2); err != nil || v1+v2 != many || v2 < least || v2 > most {
		return fmt.Errorf("%s: got %q, want about %d v2 and nothing else", what, got, many/10)
	}
	return nil
}

// until makes calls again and again, until a client says something.
func (t *trial) until(ctx context.Context, what string, want *regexp.Regexp) error {
	var got string
	for end := time.Now().Add(patience); time.Now().Before(end); {
		var err error
		if got, err = t.call(ctx, "web", t.goClient(20)); err != nil {
			return err
		}
		if want.MatchString(got) {
			return nil
		}
	}
	return fmt.Errorf("%s: after %v still not so; got %q", what, patience, got)
}

// edit is what an operator does for the canary: two numbers in the YAML.
func (t *trial) edit() error {
	path := t.at("policies/greeter.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	edited := strings.NewReplacer("weight: 100", "weight: 90", "weight: 0", "weight: 10").Replace(string(text))
	t.out.Print("greeter.yaml: weights are 90 and 10 now")
	return os.WriteFile(path, []byte(edited), 0o600)
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/internal/rules"
)

var update = flag.Bool("update", false, "write what the guide says of flags anew")

// page is the guide to the agent.
var page = filepath.Join("..", "..", "docs", "agent.md")

// pageBlocks are the page's fenced blocks of a language.
func pageBlocks(t *testing.T, lang string) (blocks []rules.Block) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	all, err := rules.Blocks("docs/agent.md", string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		if b.Lang == lang {
			blocks = append(blocks, b)
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("docs/agent.md has no block of %s", lang)
	}
	return blocks
}

// The guide has the help of each command as the command prints it.
func TestDocs_haveTheHelp(t *testing.T) {
	found := map[string]bool{}
	for _, b := range pageBlocks(t, "text") {
		rest, ok := strings.CutPrefix(b.Text, "usage: enmesh ")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimSpace(rest), " [")
		code, out, messages := enmesh(t, append(strings.Fields(name), "-help")...)
		found[name] = code == exitWell && out == ""
		switch {
		case messages == b.Text:
		case *update:
			text, err := os.ReadFile(page)
			if err == nil {
				err = os.WriteFile(page, bytes.Replace(text, []byte(b.Text), []byte(messages), 1), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("docs/agent.md:%d: says\n%s\nand the command says (-update writes it)\n%s", b.Line, b.Text, messages)
		}
	}
	for _, name := range []string{"agent", "agent bootstrap", "agent keep", "agent status", "check"} {
		if !found[name] {
			t.Errorf("docs/agent.md has no help of enmesh %s", name)
		}
	}
}

// Every command of the guide has flags that there are.
func TestDocs_haveCommandsThatParse(t *testing.T) {
	var commands []string
	for _, b := range pageBlocks(t, "sh") {
		commands = append(commands, strings.Split(strings.ReplaceAll(b.Text, "\\\n", " "), "\n")...)
	}
	for _, b := range pageBlocks(t, "ini") {
		for line := range strings.Lines(b.Text) {
			if command, ok := strings.CutPrefix(line, "ExecStart=/usr/local/bin/"); ok {
				commands = append(commands, strings.TrimSpace(command))
			}
		}
	}
	parsed := 0
	for _, command := range commands {
		words := strings.Fields(command)
		if len(words) == 0 || words[0] != "enmesh" {
			continue
		}
		parsed++
		if err := parses(words[1:]); err != nil {
			t.Errorf("docs/agent.md: %q: %v", command, err)
		}
	}
	if parsed < 8 {
		t.Errorf("docs/agent.md has %d commands of enmesh, want 8 at least", parsed)
	}
}

// parses reads the flags of a command, and runs nothing.
func parses(args []string) error {
	if rest, ok := taken("agent bootstrap", args); ok {
		set, c, labels, _ := bootstrapFlagSet(io.Discard)
		if err := set.Parse(rest); err != nil {
			return err
		}
		c.Labels = labels.all
		_, err := c.JSON()
		return err
	}
	if rest, ok := taken("agent status", args); ok {
		set, _ := statusFlagSet(io.Discard)
		return set.Parse(rest)
	}
	rest, _ := taken("agent", args)
	set, f := agentFlagSet(io.Discard)
	if err := set.Parse(rest); err != nil {
		return err
	}
	for _, text := range f.issue.issue {
		if _, _, ok := strings.Cut(text, "="); !ok {
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}

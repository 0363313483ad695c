// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"regexp"
	"strings"
)

// Block is a fenced block of a Markdown page.
type Block struct {
	Page  string // the page's path, for messages
	Line  int    // of the block's first line of text, from 1
	Lang  string // what stands behind the fence: "go", "sh", "yaml", or nothing
	Given string // parameters from a comment <!-- given: name Type --> before the fence
	Text  string
}

// given is the comment before a Go block that says what its reader has already.
var given = regexp.MustCompile(`^<!--\s*given:\s*(.*?)\s*-->$`)

// Blocks finds the fenced blocks of a Markdown page. A fence that is never closed is
// an error, because all behind it would go unread.
func Blocks(page, markdown string) ([]Block, error) {
	var blocks []Block
	var open *Block
	fence, indent, params := "", "", ""
	for i, line := range strings.Split(markdown, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case open != nil && trimmed == fence:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.Text += strings.TrimPrefix(line, indent) + "\n"
		case strings.HasPrefix(trimmed, "```"):
			lang := strings.TrimLeft(trimmed, "`")
			fence, indent = trimmed[:len(trimmed)-len(lang)], line[:len(line)-len(strings.TrimLeft(line, " "))]
			lang, _, _ = strings.Cut(lang, " ")
			open = &Block{Page: page, Line: i + 2, Lang: lang, Given: params}
			params = ""
		case trimmed != "":
			params = ""
			if m := given.FindStringSubmatch(trimmed); m != nil {
				params = m[1]
			}
		}
	}
	if open != nil {
		return nil, fmt.Errorf("rules: %s:%d: the fenced block does not end", page, open.Line-1)
	}
	return blocks, nil
}

// Commands returns the commands of a shell block, one a line, without a leading "$ ",
// comments, or what is behind an "&&", ";" or "|".
func (b Block) Commands() []string {
	var commands []string
	for line := range strings.SplitSeq(b.Text, "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		line, _, _ = strings.Cut(line, " #")
		for _, stop := range []string{"&&", ";", "|"} {
			line, _, _ = strings.Cut(line, stop)
		}
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			commands = append(commands, line)
		}
	}
	return commands
}

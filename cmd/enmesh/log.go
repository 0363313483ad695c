// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
)

// logFlags say how a running command logs.
type logFlags struct {
	form  string
	level slog.Level
}

func (l *logFlags) flags(set *flag.FlagSet) {
	set.StringVar(&l.form, "log", "text", "`form` of the log on standard error: text or json")
	set.TextVar(&l.level, "log-level", slog.LevelInfo, "least `level` that is logged: DEBUG, INFO, WARN or ERROR")
}

func (l *logFlags) open(w io.Writer) (*slog.Logger, error) {
	opts := &slog.HandlerOptions{Level: l.level}
	switch l.form {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, fmt.Errorf("-log %q: it is neither text nor json", l.form)
}

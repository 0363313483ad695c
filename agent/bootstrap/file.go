// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"fmt"
	"os"
	"path/filepath"
)

// WriteFile writes the file to path in one step, so that a program that starts meanwhile
// reads the old or the new one whole. Everybody may read it: there is no secret in it.
func (c Config) WriteFile(path string) error {
	text, err := c.JSON()
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	_, err = tmp.Write(text)
	if e := tmp.Chmod(0o644); err == nil {
		err = e
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // the first error is the one to tell
		return fmt.Errorf("bootstrap: %w", err)
	}
	return nil
}

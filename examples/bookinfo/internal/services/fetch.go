// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package services

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/user"
)

// maxAnswer bounds what is read of another service's answer, in bytes.
const maxAnswer = 1 << 20

// fetch reads the JSON at url into out and carries the user along. Any status but
// 200 is an error.
func fetch(ctx context.Context, client *http.Client, url string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	user.Set(req)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // so that the connection is used again
		return fmt.Errorf("services: %s answered %s", url, res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("services: answer of %s: %w", url, err)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the answer cannot be written as JSON", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the caller may be gone; there is nobody to tell
}

// bookID is the number in the path, or false after the answer 400.
func bookID(w http.ResponseWriter, r *http.Request) (int64, bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		http.Error(w, "the number of the book is not a number", http.StatusBadRequest)
		return 0, false
	}
	return id, true
}

// noBook answers 404.
func noBook(w http.ResponseWriter, id int64) {
	http.Error(w, "there is no book "+strconv.FormatInt(id, 10), http.StatusNotFound)
}

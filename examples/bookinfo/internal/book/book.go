// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package book is what the four services of bookinfo know: one book, what its
// reviewers wrote and how many stars they gave. It is the form in which the services
// talk to each other over HTTP, and reads no network itself.
package book

// ID is the one book that there is.
const ID = 0

// Details is what the service details tells of a book.
type Details struct {
	ID        int64  `json:"id"`
	Title     string `json:"title"`
	Author    string `json:"author"`
	Written   int    `json:"written"`
	Printed   int    `json:"printed"`
	Kind      string `json:"kind"`
	Language  string `json:"language"`
	Acts      int    `json:"acts"`
	Summary   string `json:"summary"`
	Publisher string `json:"publisher"`
}

// Review is what one reviewer wrote.
type Review struct {
	Reviewer string `json:"reviewer"`
	Text     string `json:"text"`
	Stars    int    `json:"stars,omitempty"` // 1 to 5; 0: not rated, or the ratings are not known
}

// Reviews is what the service reviews tells of a book.
type Reviews struct {
	ID      int64    `json:"id"`
	Version string   `json:"version"`         // of the workload that answered
	Color   string   `json:"color,omitempty"` // of the stars; "" shows none
	Reviews []Review `json:"reviews"`
	Problem string   `json:"problem,omitempty"` // why there are no stars although there should be
}

// Ratings is what the service ratings tells of a book over HTTP.
type Ratings struct {
	ID    int64            `json:"id"`
	Stars map[string]int32 `json:"stars"` // by reviewer, 1 to 5
}

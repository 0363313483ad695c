// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package book

// The reviewers of the book.
const (
	attorney  = "An attorney's clerk"
	innkeeper = "The keeper of the Centaur"
)

// DetailsOf is the details of a book, or false.
func DetailsOf(id int64) (Details, bool) {
	return Details{
		ID:       ID,
		Title:    "The Comedy of Errors",
		Author:   "William Shakespeare",
		Written:  1594,
		Printed:  1623,
		Kind:     "comedy",
		Language: "English",
		Acts:     5,
		Summary: "Two pairs of twins, parted by a shipwreck as infants, come to be in one town on one day " +
			"without knowing it. Everybody takes everybody for somebody else until the evening.",
		Publisher: "Blount and Jaggard, London",
	}, id == ID
}

// ReviewsOf is the reviews of a book, without stars, or false.
func ReviewsOf(id int64) ([]Review, bool) {
	return []Review{
		{
			Reviewer: attorney,
			Text: "Served the right papers to the wrong man, twice, and was thanked for neither. " +
				"I have not laughed so much at my own trade in years.",
		},
		{
			Reviewer: innkeeper,
			Text: "Short, loud and over by supper. The plot needs everyone to forget one plain question, " +
				"and everyone obliges. I would lodge this company again.",
		},
	}, id == ID
}

// RatingsOf is the stars of a book by reviewer, or false.
func RatingsOf(id int64) (map[string]int32, bool) {
	return map[string]int32{attorney: 5, innkeeper: 4}, id == ID
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package services

import (
	"net/http"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/user"
)

// cookie remembers who signed in.
const cookie = "bookinfo-user"

// login remembers the name of the form's field "user", and sends back to the page.
func login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	name := r.PostFormValue("user")
	if !user.Valid(name) {
		http.Error(w, "a name has 1 to 64 letters, digits, dots, hyphens and underscores", http.StatusBadRequest)
		return
	}
	remember(w, name, 0)
	http.Redirect(w, r, "/productpage", http.StatusSeeOther)
}

// logout forgets it.
func logout(w http.ResponseWriter, r *http.Request) {
	remember(w, "", -1)
	http.Redirect(w, r, "/productpage", http.StatusSeeOther)
}

func remember(w http.ResponseWriter, name string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ // the front is plain HTTP on loopback, and the name proves nothing
		Name: cookie, Value: name, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// signedIn is the name in a request's header, its query ("?user=") or its cookie, in
// this order.
func signedIn(r *http.Request) string {
	if name := r.Header.Get(user.Header); user.Valid(name) {
		return name
	}
	if name := r.URL.Query().Get("user"); user.Valid(name) {
		return name
	}
	if c, err := r.Cookie(cookie); err == nil && user.Valid(c.Value) {
		return c.Value
	}
	return ""
}

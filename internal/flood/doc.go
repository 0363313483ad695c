// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package flood ends HTTP/2 connections on which the client makes the server work for
// nothing: it counts the frames that cost a server more than they cost a client.
//
// Servers of HTTP/2 bound what a connection may hold, but not how often a client may ask
// for the same again: streams that are reset as soon as they are open (CVE-2023-44487), or
// that the server itself is made to reset (CVE-2025-8671), PING and SETTINGS that want an
// answer, empty or one-byte DATA, header blocks in endless pieces (CVE-2023-45288). Nothing
// of that is against the protocol, one at a time.
//
// [Guard] stands above TLS, between the connection and the server, reads the heads of all
// frames in both directions and keeps an account. Cheap frames of the client raise a debt;
// time pays it off, and so do calls that the server finished. From a sixteenth of the burst on
// the connection is read more slowly, so that what it has the server do leaves time for
// others; a debt above the burst ends it: GOAWAY with ENHANCE_YOUR_CALM, where one may stand,
// and close.
//
// What is charged, each one unit:
//
//   - RST_STREAM from the client;
//   - RST_STREAM from the server, with a code that blames the client;
//   - SETTINGS, PRIORITY, GOAWAY, and frames of unknown types;
//   - PING and WINDOW_UPDATE beyond ten for each frame of headers or data that the server sent;
//   - answers to a PING or SETTINGS that the server did not send;
//   - DATA of less than five bytes that does not end its stream;
//   - CONTINUATION, of which, besides, 64 in a row end the connection.
//
// A stream that the server ends pays off a quarter of a unit, so that a client that
// cancels one call in five is never cut off, however many it makes.
package flood

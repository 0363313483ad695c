// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// udpSize is the largest answer taken over UDP, in bytes: what passes without
// fragments on any path, as the DNS flag day of 2020 set it.
const udpSize = 1232

// ask puts a question to the servers, one after the other, until one answers.
func (r *Resolver) ask(ctx context.Context, q question) (answer, error) {
	servers := r.cfg.Servers
	if len(servers) == 0 {
		servers = systemServers(systemFile)
	}
	var failed []error
	for _, server := range servers {
		a, err := r.askServer(ctx, server, q)
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil {
			return answer{}, ctx.Err()
		}
		failed = append(failed, fmt.Errorf("dns: server %s about %s %s: %w", server, q.name, q.typ.String()[len("Type"):], err))
	}
	return answer{}, errors.Join(failed...)
}

// askServer asks over UDP, and again over TCP when the answer does not fit.
func (r *Resolver) askServer(ctx context.Context, server string, q question) (answer, error) {
	a, err := r.exchange(ctx, "udp", server, q)
	if err == nil && a.truncated {
		a, err = r.exchange(ctx, "tcp", server, q)
	}
	if err == nil && a.truncated {
		err = errors.New("its answer is cut short over TCP")
	}
	return a, err
}

// exchange sends one question and waits for its answer.
func (r *Resolver) exchange(ctx context.Context, network, server string, q question) (answer, error) {
	var number [2]byte
	_, _ = rand.Read(number[:]) // it never fails
	id := binary.BigEndian.Uint16(number[:])
	msg, err := q.pack(id)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	conn, err := r.cfg.Dial(ctx, network, server)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = conn.Close() }() // all that was to be read is read
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if network == "tcp" {
		return overStream(conn, q, id, msg)
	}
	return overPackets(conn, q, id, msg)
}

// overPackets reads until the answer comes: what answers another question is passed
// over, since anybody can send a packet.
func overPackets(conn net.Conn, q question, id uint16, msg []byte) (answer, error) {
	if _, err := conn.Write(msg); err != nil {
		return answer{}, err
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return answer{}, err
		}
		if a, err := q.parse(id, buf[:n]); !errors.Is(err, errNotOurs) {
			return a, err
		}
	}
}

// overStream puts the length before each message (RFC 1035, 4.2.2).
func overStream(conn net.Conn, q question, id uint16, msg []byte) (answer, error) {
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)); err != nil {
		return answer{}, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return answer{}, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return answer{}, err
	}
	return q.parse(id, buf)
}

// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// socket is one row of the kernel's tables.
type socket struct {
	inode uint64
	local netip.AddrPort
	state string // "0A" is a TCP socket that listens
}

// foreign lists what a process has bound on other addresses than loopback ones. Its
// connections to others do not count. Where there is no /proc it is errors.ErrUnsupported.
func foreign(pid int) ([]string, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	inodes, err := socketInodes(filepath.Join(dir, "fd"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.ErrUnsupported
	}
	if err != nil {
		return nil, err
	}
	var found []string
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile(filepath.Join(dir, "net", table))
		if errors.Is(err, fs.ErrNotExist) {
			continue // no IPv6 here
		}
		if err != nil {
			return nil, err
		}
		sockets, err := parseSockets(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
		}
		for _, s := range sockets {
			bound := s.state == "0A" || strings.HasPrefix(table, "udp")
			if inodes[s.inode] && bound && !s.local.Addr().Unmap().IsLoopback() {
				found = append(found, table+" "+s.local.String())
			}
		}
	}
	return found, nil
}

// socketInodes are those that the descriptors of a process stand for.
func socketInodes(dir string) (map[uint64]bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	inodes := make(map[uint64]bool)
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // closed in between
		}
		text, ok := strings.CutPrefix(target, "socket:[")
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 64); err == nil {
			inodes[n] = true
		}
	}
	return inodes, nil
}

// parseSockets reads a table as in proc(5): a heading, then rows whose second field is the
// local address, the fourth the state and the tenth the inode.
func parseSockets(text string) ([]socket, error) {
	_, rows, _ := strings.Cut(text, "\n")
	var sockets []socket
	for row := range strings.Lines(rows) {
		f := strings.Fields(row)
		if len(f) < 10 {
			return nil, fmt.Errorf("row of %d fields: %q", len(f), row)
		}
		local, err := parseLocal(f[1])
		if err != nil {
			return nil, err
		}
		inode, err := strconv.ParseUint(f[9], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("inode of %q: %w", row, err)
		}
		sockets = append(sockets, socket{inode: inode, local: local, state: f[3]})
	}
	return sockets, nil
}

// parseLocal reads an address as the kernel prints it: words of four bytes, each in
// the machine's order (little endian on all that Go's race detector knows), a colon
// and the port.
func parseLocal(text string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	if !ok || err != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, fmt.Errorf("address %q", text)
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word)
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port of %q: %w", text, err)
	}
	addr, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr, uint16(n)), nil
}

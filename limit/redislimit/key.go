// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// prefix begins every key in Redis.
const prefix = "enmesh:quota:"

// sum is a key as it is known in Redis: of a fixed size, whatever the key is made of, and
// found by nobody who does not know the quota's name and the key.
type sum [sha256.Size]byte

func sumOf(name, key string) sum {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name))))
	h.Write([]byte(name))
	h.Write([]byte(key))
	return sum(h.Sum(nil))
}

// redisKey has the hash between braces, so that a cluster chooses the slot by it alone.
func (s sum) redisKey() string {
	return prefix + "{" + base64.RawURLEncoding.EncodeToString(s[:]) + "}"
}

// membersKey is where the instances of a quota are counted.
func membersKey(name string) string {
	s := sumOf(name, "")
	return prefix + "members:{" + base64.RawURLEncoding.EncodeToString(s[:]) + "}"
}

// slot is the cluster's hash slot of the key: CRC16 (XMODEM) of what stands between its
// braces, modulo 16384
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
func (s sum) slot() int {
	var tag [43]byte
	base64.RawURLEncoding.Encode(tag[:], s[:])
	var crc uint16
	for _, b := range tag {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc % 16384)
}

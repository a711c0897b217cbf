package validation

import (
	"encoding/binary"

	corev1 "k8s.io/api/core/v1"
)

// exitCodes is a set of the codes that a process can end with: 0..255.
type exitCodes [4]uint64

var (
	allCodes = exitCodes{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}
	failures = exitCodes{^uint64(1), ^uint64(0), ^uint64(0), ^uint64(0)}
)

// few is up to how many values are put into the set one by one.
const few = 16

// codesOf is the set of the values, and whether there are others besides.
func codesOf(values []int32) (set exitCodes, others bool) {
	var all uint32
	if len(values) <= few {
		for _, v := range values {
			all |= uint32(v)
			set[uint8(v)>>6] |= 1 << (v & 63)
		}
	} else {
		// Independent stores are several times as fast as reading a word back for each value.
		var seen [256]uint8
		for _, v := range values {
			all |= uint32(v)
			seen[uint8(v)] = 1
		}
		for i := 0; i < len(seen); i += 8 {
			set[i>>6] |= lowBits(binary.LittleEndian.Uint64(seen[i:])) << (i & 63)
		}
	}
	if all < 256 {
		return set, false
	}
	set = exitCodes{}
	for _, v := range values {
		if possible(v) {
			set[v>>6] |= 1 << (v & 63)
		}
	}
	return set, true
}

// lowBits are the lowest bits of the eight bytes, next to each other; the bytes are 0 or 1.
func lowBits(bytes uint64) uint64 { return bytes * 0x0102040810204080 >> 56 }

// possible reports whether a process can end with the code.
func possible(code int32) bool { return code >= 0 && code < 256 }

// matchedBy are the codes that a valid rule matches.
func matchedBy(on *corev1.ContainerRestartRuleOnExitCodes) (set exitCodes, others bool) {
	set, others = codesOf(on.Values)
	if on.Operator == corev1.ContainerRestartRuleOnExitCodesOpNotIn {
		set = allCodes.without(set)
	}
	return set, others
}

func (s exitCodes) empty() bool { return s[0]|s[1]|s[2]|s[3] == 0 }

func (s exitCodes) hasZero() bool { return s[0]&1 != 0 }

func (s exitCodes) with(o exitCodes) exitCodes {
	return exitCodes{s[0] | o[0], s[1] | o[1], s[2] | o[2], s[3] | o[3]}
}

func (s exitCodes) without(o exitCodes) exitCodes {
	return exitCodes{s[0] &^ o[0], s[1] &^ o[1], s[2] &^ o[2], s[3] &^ o[3]}
}

// in reports whether all of the set are in the other.
func (s exitCodes) in(o exitCodes) bool { return s.without(o).empty() }

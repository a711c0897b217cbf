// Package exitcodes holds sets of the codes that a process can end with.
package exitcodes

import (
	"encoding/binary"
	"math/bits"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// Count is how many codes there are: 0..255.
const Count = 256

// Set is a set of exit codes. The zero value is empty.
type Set [Count / 64]uint64

// All are all exit codes, Failures all but 0.
var (
	All      = Set{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}
	Failures = Set{^uint64(1), ^uint64(0), ^uint64(0), ^uint64(0)}
)

// few is up to how many values are put into the set one by one.
const few = 16

// Of is the set of the values that are exit codes, and whether there are others besides.
func Of(values []int32) (set Set, others bool) {
	var all uint32
	if len(values) <= few {
		for _, v := range values {
			all |= uint32(v)
			set[uint8(v)>>6] |= 1 << (v & 63)
		}
	} else {
		// Independent stores are several times as fast as reading a word back for each value.
		var seen [Count]uint8
		for _, v := range values {
			all |= uint32(v)
			seen[uint8(v)] = 1
		}
		for i := 0; i < len(seen); i += 8 {
			set[i>>6] |= lowBits(binary.LittleEndian.Uint64(seen[i:])) << (i & 63)
		}
	}
	if all < Count {
		return set, false
	}
	set = Set{}
	for _, v := range values {
		if Possible(v) {
			set[v>>6] |= 1 << (v & 63)
		}
	}
	return set, true
}

// lowBits are the lowest bits of the eight bytes, next to each other; the bytes are 0 or 1.
func lowBits(bytes uint64) uint64 { return bytes * 0x0102040810204080 >> 56 }

// Possible reports whether a process can end with the code.
func Possible(code int32) bool { return code >= 0 && code < Count }

// MatchedBy are the codes that a rule on these exit codes matches, and whether it names others
// besides. None or an unknown operator match nothing.
func MatchedBy(on *corev1.ContainerRestartRuleOnExitCodes) (set Set, others bool) {
	if on == nil {
		return Set{}, false
	}
	set, others = Of(on.Values)
	switch on.Operator {
	case corev1.ContainerRestartRuleOnExitCodesOpIn:
		return set, others
	case corev1.ContainerRestartRuleOnExitCodesOpNotIn:
		return All.Without(set), others
	default:
		return Set{}, others
	}
}

// Empty reports whether there are no codes in the set.
func (s Set) Empty() bool { return s[0]|s[1]|s[2]|s[3] == 0 }

// Has reports whether the code, 0..255, is in the set.
func (s Set) Has(code int) bool { return s[code>>6]&(1<<(code&63)) != 0 }

// Add adds the code, 0..255.
func (s *Set) Add(code int) { s[code>>6] |= 1 << (code & 63) }

// First is the smallest code, or -1.
func (s Set) First() int {
	for i, word := range s {
		if word != 0 {
			return i*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// With are the codes of both.
func (s Set) With(o Set) Set {
	return Set{s[0] | o[0], s[1] | o[1], s[2] | o[2], s[3] | o[3]}
}

// Without are the codes that are not in the other.
func (s Set) Without(o Set) Set {
	return Set{s[0] &^ o[0], s[1] &^ o[1], s[2] &^ o[2], s[3] &^ o[3]}
}

// In reports whether all of the set are in the other.
func (s Set) In(o Set) bool { return s.Without(o).Empty() }

// RunEnd is the last of the codes that follow each other in the set, beginning with this one, which is in it.
func (s Set) RunEnd(code int) int {
	missing := ^s[code>>6] &^ (1<<(code&63) - 1)
	for i := code >> 6; ; missing = ^s[i] {
		if missing != 0 {
			return i*64 + bits.TrailingZeros64(missing) - 1
		}
		if i++; i == len(s) {
			return Count - 1
		}
	}
}

// String lists the set as ranges, the first four at most.
func (s Set) String() string {
	text := make([]byte, 0, 32)
	for n := 0; !s.Empty(); n++ {
		if n > 0 {
			text = append(text, ',')
		}
		if n == 4 {
			text = append(text, "..."...)
			break
		}
		lo := s.First()
		hi := s.RunEnd(lo)
		text = strconv.AppendInt(text, int64(lo), 10)
		if hi > lo {
			text = strconv.AppendInt(append(text, '-'), int64(hi), 10)
		}
		for code := lo; code <= hi; code++ {
			s[code>>6] &^= 1 << (code & 63)
		}
	}
	return string(text)
}

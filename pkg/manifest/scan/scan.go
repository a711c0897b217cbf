package scan

import (
	"encoding/binary"
	"math/bits"
)

// maxDepth is how deep values may be in each other; nothing of Kubernetes is near it.
const maxDepth = 500

// scanner goes over JSON without looking at what it says.
type scanner struct {
	data []byte
	at   int
}

// next is the byte that comes next, or 0.
func (s *scanner) next() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

// skip goes over the byte if it comes next.
func (s *scanner) skip(b byte) bool {
	if s.next() != b {
		return false
	}
	s.at++
	return true
}

func (s *scanner) space() {
	for s.at < len(s.data) && s.data[s.at] <= ' ' && isSpace(s.data[s.at]) {
		s.at++
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// value goes over one value; false: it is not valid.
func (s *scanner) value(depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch s.next() {
	case '{':
		return s.object(depth)
	case '[':
		return s.list(depth)
	case '"':
		return s.text()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

func (s *scanner) object(depth int) bool {
	s.at++
	s.space()
	if s.skip('}') {
		return true
	}
	for {
		s.space()
		if !s.text() || !s.colon() || !s.value(depth+1) {
			return false
		}
		s.space()
		if s.skip('}') {
			return true
		}
		if !s.skip(',') {
			return false
		}
	}
}

// colon goes over what is between a key and its value.
func (s *scanner) colon() bool {
	s.space()
	if !s.skip(':') {
		return false
	}
	s.space()
	return true
}

func (s *scanner) list(depth int) bool {
	s.at++
	s.space()
	if s.skip(']') {
		return true
	}
	for {
		s.space()
		if !s.value(depth + 1) {
			return false
		}
		s.space()
		if s.skip(']') {
			return true
		}
		if !s.skip(',') {
			return false
		}
	}
}

// text goes over a string. Most of a Pod is in strings.
func (s *scanner) text() bool {
	if !s.skip('"') {
		return false
	}
	for {
		s.at = plainUntil(s.data, s.at)
		switch {
		case s.skip('"'):
			return true
		case !s.skip('\\') || !s.escape():
			return false
		}
	}
}

// plainUntil is where the bytes end that stand for themselves in a string.
func plainUntil(data []byte, at int) int {
	for len(data)-at >= 8 {
		n := plainOf(binary.LittleEndian.Uint64(data[at:]))
		if at += n; n < 8 {
			return at
		}
	}
	for at < len(data) && isPlain(data[at]) {
		at++
	}
	return at
}

func isPlain(b byte) bool { return b >= ' ' && b != '"' && b != '\\' }

// plainOf is how many of eight bytes, the lowest first, stand for themselves in a string, before one that doesn't.
func plainOf(eight uint64) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	// With this bit turned, control characters and the quote are below 0x21, and of the other bytes none is.
	quotes, backslashes := eight^each*2, eight^each*'\\'
	// A byte below n sets its highest bit when n is subtracted, unless it was set before. What that borrows changes only
	// higher bytes, so the first of these bits is right.
	special := ((quotes - each*0x21) | (backslashes - each)) &^ eight & high
	if special == 0 {
		return 8
	}
	return bits.TrailingZeros64(special) / 8
}

// escape goes over what is behind a backslash.
func (s *scanner) escape() bool {
	b := s.next()
	s.at++
	switch b {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if b := s.next(); (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'f') {
				return false
			}
			s.at++
		}
		return true
	default:
		return false
	}
}

func (s *scanner) word(word string) bool {
	if len(s.data)-s.at < len(word) || string(s.data[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}

func (s *scanner) number() bool {
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return false
	}
	if s.skip('.') && !s.digits() {
		return false
	}
	if s.skip('e') || s.skip('E') {
		_ = s.skip('+') || s.skip('-')
		return s.digits()
	}
	return true
}

// digits goes over digits, at least one.
func (s *scanner) digits() bool {
	begin := s.at
	for b := s.next(); b >= '0' && b <= '9'; b = s.next() {
		s.at++
	}
	return s.at > begin
}

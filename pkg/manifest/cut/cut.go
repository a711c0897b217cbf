// Package cut takes out of JSON, in one pass, what needn't be decoded: most of a Pod is not ours to
// look at, and a decoder reads all of it at least twice.
package cut

// Members are the members of an object that are walked, by key. Those that are nil are cut out, of the
// others members are walked in turn; of a list those of its items.
type Members map[string]Members

// Out returns the JSON with null in the place of what is cut out, having passed that to take: as it was
// written, with its key, the key of the object that it is in, and the index of that object if it is in
// a list, else 0. Keys are compared as they are written. If data is not valid JSON it returns false, and
// what take was given is void: a decoder says better what is wrong.
func Out(data []byte, members Members, take func(parent []byte, index int, key, value []byte)) ([]byte, bool) {
	s := scanner{data: data, take: take}
	if !s.value(members, nil, 0, 0) {
		return nil, false
	}
	s.space()
	if s.at != len(data) {
		return nil, false
	}
	if s.copied == 0 {
		return data, true
	}
	return append(s.rest, data[s.copied:]...), true
}

// maxDepth is how deep values may be in each other; nothing of Kubernetes is near it.
const maxDepth = 500

type scanner struct {
	data []byte
	at   int
	take func(parent []byte, index int, key, value []byte)
	// rest is what stays of the data up to copied.
	rest   []byte
	copied int
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
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// value goes over one value; false: it is not valid.
func (s *scanner) value(members Members, parent []byte, index, depth int) bool {
	if depth > maxDepth {
		return false
	}
	s.space()
	switch s.next() {
	case '{':
		return s.object(members, parent, index, depth)
	case '[':
		return s.list(members, parent, depth)
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

func (s *scanner) object(members Members, parent []byte, index, depth int) bool {
	s.at++
	s.space()
	if s.skip('}') {
		return true
	}
	for {
		s.space()
		begin := s.at + 1
		if !s.text() {
			return false
		}
		key := s.data[begin : s.at-1]
		s.space()
		if !s.skip(':') {
			return false
		}
		s.space()
		of, walked := members[string(key)]
		begin = s.at
		if !s.value(of, key, 0, depth+1) {
			return false
		}
		if walked && of == nil {
			s.take(parent, index, key, s.data[begin:s.at])
			if s.rest == nil {
				s.rest = make([]byte, 0, min(len(s.data), 4<<10)) // little is left of most Pods
			}
			s.rest = append(append(s.rest, s.data[s.copied:begin]...), "null"...)
			s.copied = s.at
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

func (s *scanner) list(members Members, parent []byte, depth int) bool {
	s.at++
	s.space()
	if s.skip(']') {
		return true
	}
	for i := 0; ; i++ {
		if !s.value(members, parent, i, depth+1) {
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

// text goes over a string.
func (s *scanner) text() bool {
	if !s.skip('"') {
		return false
	}
	for {
		rest := s.data[s.at:]
		i := 0
		for i < len(rest) && plain[rest[i]] {
			i++
		}
		s.at += i
		switch {
		case s.skip('"'):
			return true
		case !s.skip('\\') || !s.escape():
			return false
		}
	}
}

// plain are the bytes that stand for themselves in a string.
var plain = func() (plain [256]bool) {
	for b := range plain {
		plain[b] = b >= ' ' && b != '"' && b != '\\'
	}
	return plain
}()

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

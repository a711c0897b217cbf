// Package scan reads JSON in one pass, by those who know what they look for: most of a Pod is not ours
// to look at, and a decoder goes over all of it at least twice, by reflection.
package scan

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Reader reads one JSON document from begin to end. What its methods return is what encoding/json would
// make of the value, null being nothing; what comes next and isn't read is skipped.
//
// It understands less than a decoder. Values of another type than is asked for, keys that are twice in an
// object or have escapes, very many keys, and anything that isn't JSON make it fail: then all that was read is void, and a
// decoder is to be asked, which also says what is wrong.
type Reader struct {
	scanner
	failed bool
	depth  int
	// keys are those of the objects that are being read, one object's behind the other's.
	keys []span
	// texts holds strings, one behind the other: a piece of memory for each would be most of what a Pod takes.
	texts strings.Builder
}

// span is where a key is. It takes a third of the key's slice, and the garbage collector does not look into it.
type span struct{ begin, end int32 }

// NewReader reads data, which must not be changed meanwhile.
func NewReader(data []byte) *Reader {
	return &Reader{
		scanner: scanner{data: data},
		failed:  len(data) > math.MaxInt32,
		keys:    make([]span, 0, 48), // as many as are read of a Pod at once
	}
}

// Fail has the Reader fail.
func (r *Reader) Fail() { r.failed = true }

// Failed reports whether the Reader has failed. What was read up to here is right if not, as long as the rest is JSON.
func (r *Reader) Failed() bool { return r.failed }

// Done reports whether the whole document was read and understood.
func (r *Reader) Done() bool {
	r.space()
	return !r.failed && r.at == len(r.data)
}

// Raw is the next value as it is written, null too.
func (r *Reader) Raw() []byte {
	r.space()
	begin := r.at
	if r.failed || !r.value(r.depth) {
		r.failed = true
	}
	return r.data[begin:min(r.at, len(r.data))]
}

// Null goes over null, if it comes next. It is also true once the Reader has failed.
func (r *Reader) Null() bool {
	r.space()
	return r.failed || r.next() == 'n' && r.word("null")
}

// maxKeys is how many keys an object may have: each is compared with those before it.
const maxKeys = 100

// Keys goes through the keys of an object; the value comes next then.
func (r *Reader) Keys(yield func(key []byte) bool) {
	if !r.begin('{') {
		return
	}
	outer := len(r.keys)
	for first := true; !r.end('}', first); first = false {
		r.space()
		begin := r.at + 1
		if !r.text() {
			r.failed = true
			return
		}
		key := r.data[begin : r.at-1]
		if !r.colon() || bytes.IndexByte(key, '\\') >= 0 || len(r.keys)-outer == maxKeys || r.has(r.keys[outer:], key) {
			r.failed = true
			return
		}
		r.keys = append(r.keys, span{int32(begin), int32(begin + len(key))})
		if begin = r.at; !yield(key) {
			r.failed = true // what follows would not be looked at
		}
		r.pass(begin)
	}
	r.keys = r.keys[:outer]
	r.depth--
}

// has reports whether one of the keys is that.
func (r *Reader) has(keys []span, key []byte) bool {
	for _, k := range keys {
		if string(r.data[k.begin:k.end]) == string(key) {
			return true
		}
	}
	return false
}

// Items goes through a list; the item comes next then.
func (r *Reader) Items(yield func(index int) bool) {
	if !r.begin('[') {
		return
	}
	for i := 0; !r.end(']', i == 0); i++ {
		r.space()
		begin := r.at
		if !yield(i) {
			r.failed = true // what follows would not be looked at
		}
		r.pass(begin)
	}
	r.depth--
}

// begin goes over the first byte of an object or a list.
func (r *Reader) begin(open byte) bool {
	if r.Null() {
		return false
	}
	r.depth++
	if !r.skip(open) || r.depth > maxDepth {
		r.failed = true
	}
	return !r.failed
}

// end goes over what is behind a value, and reports whether the object or list is over.
func (r *Reader) end(closing byte, first bool) bool {
	r.space()
	if r.failed || r.skip(closing) {
		return true
	}
	if !first && !r.skip(',') {
		r.failed = true
	}
	return r.failed
}

// pass skips the value that begins there, if it was not read.
func (r *Reader) pass(begin int) {
	if r.at == begin && !r.failed {
		r.Raw()
	}
}

// Text is the next value, a string.
func (r *Reader) Text() string {
	if r.Null() {
		return ""
	}
	begin := r.at
	if !r.text() {
		r.failed = true
		return ""
	}
	quoted := r.data[begin:r.at]
	if bytes.IndexByte(quoted, '\\') < 0 {
		return r.Keep(quoted[1 : len(quoted)-1])
	}
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		r.failed = true
	}
	return text
}

// Strings are kept in pieces of memory of so many bytes, each twice the one before: of a review little is kept.
const minPiece, maxPiece = 1 << 8, 1 << 10

// Keep is a key, or other text without escapes, as a string.
func (r *Reader) Keep(text []byte) string {
	if !utf8.Valid(text) {
		r.failed = true // a decoder puts something in its place
	}
	if len(text) > maxPiece/2 {
		return string(text)
	}
	if r.texts.Cap()-r.texts.Len() < len(text) {
		piece := min(max(2*r.texts.Cap(), minPiece), maxPiece)
		r.texts = strings.Builder{} // what is in the old one stays where it is
		r.texts.Grow(max(piece, len(text)))
	}
	begin := r.texts.Len()
	r.texts.Write(text)
	return r.texts.String()[begin:]
}

// Texts is the next value, an object of strings.
func (r *Reader) Texts() map[string]string {
	if r.Null() {
		return nil
	}
	texts := map[string]string{}
	for key := range r.Keys {
		name := r.Keep(key)
		texts[name] = r.Text()
	}
	return texts
}

// TextList is the next value, a list of strings.
func (r *Reader) TextList() []string {
	if r.Null() {
		return nil
	}
	list := []string{}
	for i := range r.Items {
		if i == 0 {
			list = make([]string, 0, 4)
		}
		list = append(list, r.Text())
	}
	return list
}

// Bool is the next value, true or false.
func (r *Reader) Bool() bool {
	if r.Null() {
		return false
	}
	is := r.word("true")
	if !is && !r.word("false") {
		r.failed = true
	}
	return is
}

// Int is the next value, a number without fraction and exponent, of that many bits.
func (r *Reader) Int(bits int) int64 {
	if r.Null() {
		return 0
	}
	begin := r.at
	if !r.number() {
		r.failed = true
		return 0
	}
	n, err := strconv.ParseInt(string(r.data[begin:r.at]), 10, bits)
	if err != nil {
		r.failed = true
	}
	return n
}

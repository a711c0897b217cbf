// Package jsonstring writes strings as encoding/json does, without reflection.
package jsonstring

import (
	"encoding/json"
	"unicode/utf8"
)

// Append appends a string to JSON.
func Append(text []byte, s string) []byte {
	begin, done := len(text), 0
	text = append(text, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case asItIs[c]:
		case c == '"', c == '\\':
			text = append(text, s[done:i]...)
			text = append(text, '\\', c)
			done = i + 1
		default: // few strings have any of these
			encoded, _ := json.Marshal(s)
			return append(text[:begin], encoded...)
		}
	}
	text = append(text, s[done:]...)
	return append(text, '"')
}

// asItIs are the bytes that are written as they are, whatever is before and behind them.
var asItIs = func() (is [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		is[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return is
}()

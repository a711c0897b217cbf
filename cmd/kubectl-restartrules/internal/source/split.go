package source

import (
	"bytes"
	"encoding/json"
	"strings"
)

// chunk is the text of one document in a stream.
type chunk struct {
	text []byte
	// line is the line of the stream that the text begins in, from 1.
	line int
}

// split cuts a stream into its documents: at the markers "---" and "..." of YAML, which can't be
// inside a document, and behind each value of a JSON stream. A byte order mark is dropped. Documents
// without content are left out.
func split(stream []byte) []chunk {
	stream = bytes.TrimPrefix(stream, []byte("\ufeff"))
	var chunks []chunk
	current := chunk{line: 1}
	flush := func() {
		if hasContent(current.text) {
			chunks = append(chunks, current.values()...)
		}
	}
	for i, text := range bytes.SplitAfter(stream, []byte("\n")) {
		marker, rest := cutMarker(text)
		switch {
		case marker == "":
			current.text = append(current.text, text...)
			continue
		case marker == "---" && onlyDirectives(current.text):
		default:
			flush()
		}
		current = chunk{line: i + 1}
		if len(bytes.TrimSpace(rest)) > 0 {
			// What follows on the marker's line keeps its column.
			current.text = append([]byte("   "), rest...)
		} else {
			current.line++
		}
	}
	flush()
	return chunks
}

// cutMarker splits a line that begins with a document marker; the marker is empty if it doesn't.
func cutMarker(line []byte) (marker string, rest []byte) {
	for _, marker := range []string{"---", "..."} {
		rest, ok := bytes.CutPrefix(line, []byte(marker))
		if ok && (len(rest) == 0 || strings.ContainsRune(" \t\r\n", rune(rest[0]))) {
			return marker, rest
		}
	}
	return "", nil
}

// onlyDirectives reports whether the text has lines like "%YAML 1.2" and nothing else that counts.
func onlyDirectives(text []byte) bool {
	directives := false
	for line := range bytes.Lines(text) {
		switch {
		case bytes.HasPrefix(line, []byte("%")):
			directives = true
		case !isBlank(line):
			return false
		}
	}
	return directives
}

func hasContent(text []byte) bool {
	for line := range bytes.Lines(text) {
		if !isBlank(line) {
			return true
		}
	}
	return false
}

func isBlank(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 0 || line[0] == '#'
}

// values are the values of a JSON stream, or the chunk itself if it is none.
func (c chunk) values() []chunk {
	if !bytes.HasPrefix(bytes.TrimSpace(c.text), []byte("{")) {
		return []chunk{c}
	}
	var values []chunk
	decoder := json.NewDecoder(bytes.NewReader(c.text))
	for decoder.More() {
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return []chunk{c} // YAML has such objects too
		}
		begin := int(decoder.InputOffset()) - len(value)
		values = append(values, chunk{text: value, line: c.line + bytes.Count(c.text[:begin], []byte("\n"))})
	}
	return values
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"restartrules.dev/pkg/manifest"
)

// undecodable is the finding of an object with a Pod or Pod template that can't be decoded. It points
// to the field that has a value of the wrong type, if that is why.
func (s *subject) undecodable(err error) finding {
	for i := range s.pods {
		t := &s.pods[i]
		_, problem := manifest.DecodeTemplate(t.JSON)
		if wrong := new(json.UnmarshalTypeError); errors.As(problem, &wrong) {
			return at(s.Object, severityError, under(t, pathAt(t.JSON, wrong.Offset)), err.Error())
		}
	}
	return at(s.Object, severityError, "", err.Error())
}

// pathAt is the path of the first value in the object that ends, or is an object or a list that begins,
// at the offset or behind it.
func pathAt(object []byte, offset int64) string {
	decoder := json.NewDecoder(bytes.NewReader(object))
	var walk func(path string) (found string, ok bool)
	walk = func(path string) (string, bool) {
		token, err := decoder.Token()
		if err != nil || decoder.InputOffset() >= offset {
			return path, true
		}
		if token != json.Delim('{') && token != json.Delim('[') {
			return "", false
		}
		for i := 0; decoder.More(); i++ {
			next := fmt.Sprintf("%s[%d]", path, i)
			if token == json.Delim('{') {
				key, err := decoder.Token()
				if err != nil {
					return path, true
				}
				next = strings.TrimPrefix(fmt.Sprintf("%s.%s", path, key), ".")
			}
			if found, ok := walk(next); ok {
				return found, true
			}
		}
		_, err = decoder.Token() // the closing one
		return path, err != nil
	}
	path, _ := walk("")
	return path
}

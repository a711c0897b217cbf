package scan

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	casesensitive "sigs.k8s.io/json"
)

// everything is read from a document in the test.
type everything struct {
	Text  string            `json:"text"`
	Texts map[string]string `json:"texts"`
	List  []string          `json:"list"`
	Bool  bool              `json:"bool"`
	Int   int32             `json:"int"`
	Raw   json.RawMessage   `json:"raw"`
	Inner *everything       `json:"inner"`
}

func (e *everything) read(r *Reader) {
	for key := range r.Keys {
		switch string(key) {
		case "text":
			e.Text = r.Text()
		case "texts":
			e.Texts = r.Texts()
		case "list":
			e.List = r.TextList()
		case "bool":
			e.Bool = r.Bool()
		case "int":
			e.Int = int32(r.Int(32))
		case "raw":
			e.Raw = r.Raw()
		case "inner":
			if !r.Null() {
				e.Inner = new(everything)
				e.Inner.read(r)
			}
		}
	}
}

func read(data string) (e everything, ok bool) {
	r := NewReader([]byte(data))
	e.read(r)
	return e, r.Done()
}

func TestReader(t *testing.T) {
	for name, data := range map[string]string{
		"nothing":      `{}`,
		"null":         ` null `,
		"nulls":        `{"text":null,"texts":null,"list":null,"bool":null,"int":null,"raw":null,"inner":null}`,
		"empty":        `{"text":"","texts":{},"list":[],"raw":[],"inner":{}}`,
		"everything":   `{"text":"a","texts":{"b":"c","d":null},"list":["e",null],"bool":true,"int":-12,"raw":{"x": [1]},"inner":{"text":"f","bool":false}}`,
		"escapes":      `{"text":"a\n\u003c\"\\é\ud83d\ude00","list":["\/"]}`,
		"spaces":       " {\t\"text\" :\n\"a\" , \"list\": [ \"b\" , \"c\" ] , \"texts\" : { \"d\" : \"e\" } } \r\n",
		"unknown":      `{"Text":"a","other":{"text":[{"a":[1,-0.5e+7,true,false,null]}]},"text":"b"}`,
		"long strings": `{"text":"` + strings.Repeat("a", 5000) + `","list":["` + strings.Repeat("b", 500) + `","` + strings.Repeat("c", 400) + `","` + strings.Repeat("d", 300) + `"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := read(data)
			require.True(t, ok)
			var want everything
			require.NoError(t, casesensitive.UnmarshalCaseSensitivePreserveInts([]byte(data), &want))
			require.Equal(t, want, got)
		})
	}
}

func TestReaderFails(t *testing.T) {
	for name, data := range map[string]string{
		"no JSON":          `{"text":"a",}`,
		"more behind it":   `{} {}`,
		"end":              `{"text":`,
		"another type":     `{"text":5}`,
		"no object":        `[]`,
		"no list":          `{"list":{}}`,
		"no object inside": `{"texts":[]}`,
		"fraction":         `{"int":1.0}`,
		"too large":        `{"int":3000000000}`,
		"key twice":        `{"text":"a","other":1,"text":"b"}`,
		"text twice":       `{"texts":{"a":"b","a":"c"}}`,
		"escape in a key":  `{"te\u0078t":"a"}`,
		"bad UTF-8 in key": "{\"texts\":{\"\xff\":\"\"}}",
		"too many keys":    `{"texts":{"0":""` + manyKeys(maxKeys) + `}}`,
		"too deep":         strings.Repeat(`{"inner":`, maxDepth+1) + `{}` + strings.Repeat(`}`, maxDepth+1),
		"skipped, no JSON": `{"other":[1 2]}`,
		"skipped, deep":    `{"other":` + strings.Repeat(`[`, maxDepth+1) + strings.Repeat(`]`, maxDepth+1) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, ok := read(data)
			require.False(t, ok)
		})
	}
}

func TestPlainOf(t *testing.T) {
	for b := range 256 {
		for i := range 8 {
			text := []byte("a~ \x80\xff!]#")
			text[i] = byte(b)
			want := 8
			if !isPlain(byte(b)) {
				want = i
			}
			require.Equal(t, want, plainOf(binary.LittleEndian.Uint64(text)), "%q", text)
			for j := i + 1; j < 8; j++ {
				for _, other := range []byte{0, ' ' - 1, '"', '"' + 1, '\\', '\\' + 1} {
					two := bytes.Clone(text)
					if two[j] = other; isPlain(byte(b)) && !isPlain(other) {
						want = j
					} else if isPlain(byte(b)) {
						want = 8
					}
					require.Equal(t, want, plainOf(binary.LittleEndian.Uint64(two)), "%q", two)
				}
			}
		}
	}
}

func TestReaderReadsMaxKeys(t *testing.T) {
	got, ok := read(`{"texts":{"0":""` + manyKeys(maxKeys-1) + `}}`)
	require.True(t, ok)
	require.Len(t, got.Texts, maxKeys)
}

func manyKeys(n int) (text string) {
	for i := range n {
		text += fmt.Sprintf(`,"%d":""`, i+1)
	}
	return text
}

// FuzzReader skips as JSON what encoding/json takes for JSON, and reads what that decodes.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{`{"text":"a","texts":{"b":"c"},"list":["d"],"bool":true,"int":5,"raw":{},"inner":{"text":"\u12aF\\"}}`,
		`[1,-0,01,1.5,1.,1e5,1e,"a` + "\x01" + `"]`, `{"a":1,}`, `{"a" 1}`, `[1 2]`, `"\x"`, `"\u12g4"`, `tru`, `nul`, `-`, ` `, `{} {}`, `{"text":`, `"a`, `"\`, `1.`, `{a:1}`, `{"Text":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(data)
		r.Raw()
		if r.Done() != json.Valid(data) {
			t.Fatalf("%q: %t, encoding/json says %t", data, r.Done(), json.Valid(data))
		}
		got, ok := read(string(data))
		if !ok {
			return
		}
		var want everything
		require.NoError(t, casesensitive.UnmarshalCaseSensitivePreserveInts(data, &want), "%q", data)
		require.Equal(t, want, got, "%q", data)
	})
}

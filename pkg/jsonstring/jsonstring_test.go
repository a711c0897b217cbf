package jsonstring

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendTakesEveryByte(t *testing.T) {
	for b := range 256 {
		requireSame(t, "a"+string([]byte{byte(b)})+"\"b")
	}
}

// FuzzAppend: the bytes are those of encoding/json.
func FuzzAppend(f *testing.F) {
	for _, seed := range []string{"", "a", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "<é\u2028>&", "\xff", "\xed\xa0\x80", `a"b\`} {
		f.Add(seed)
	}
	f.Fuzz(requireSame)
}

func requireSame(t *testing.T, s string) {
	want, err := json.Marshal(s)
	require.NoError(t, err)
	require.Equal(t, "before"+string(want), string(Append([]byte("before"), s)))
}

package exittable

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRanges(t *testing.T) {
	var r Ranges
	r = r.Append(0, Entry{end()}).Append(41, Entry{end()}).Append(42, Entry{restart(0)}).Append(255, Entry{end()})
	require.Equal(t, Ranges{{41, Entry{end()}}, {42, Entry{restart(0)}}, {255, Entry{end()}}}, r)
	require.Equal(t, "0-41:end,42:restart/0,43-255:end", r.String())
	table, err := Parse(r.String())
	require.NoError(t, err)
	require.Equal(t, r.String(), table.String())
	for code := range Codes {
		require.Equal(t, table[code], r.At(code))
	}
}

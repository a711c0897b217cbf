package node

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestSubnetOf(t *testing.T) {
	s := subnetOf(2)
	require.Equal(t, "10.62.0.0/16", s.All.String())
	require.Equal(t, "10.62.0.1", s.Node.String())
	require.Equal(t, "10.62.0.254", s.Host.String())
	require.Equal(t, "10.62.1.0/24", s.Pods.String())
	for index := range subnets {
		require.False(t, subnetOf(index).All.Overlaps(netip.MustParsePrefix(serviceSubnet)), index)
	}
}

func TestFreeIndex(t *testing.T) {
	for _, test := range []struct {
		name  string
		taken []netip.Prefix
		want  int
	}{
		{"nothing taken", nil, 0},
		{"elsewhere", prefixes("192.0.2.0/24", "10.96.0.1/32"), 0},
		{"first taken by a cluster", prefixes("10.60.0.0/16"), 1},
		{"first taken by an address", prefixes("10.60.7.9/32"), 1},
		{"gap", prefixes("10.60.0.0/16", "10.62.0.0/16"), 1},
		{"wide route", prefixes("10.60.0.0/14"), 4},
	} {
		index, err := freeIndex(test.taken)
		require.NoError(t, err, test.name)
		require.Equal(t, test.want, index, test.name)
	}
	_, err := freeIndex(prefixes("10.0.0.0/8"))
	require.ErrorContains(t, err, "no free subnet")
}

func TestRoutes(t *testing.T) {
	got, err := routes(`[{"dst":"default","gateway":"192.0.2.1","dev":"eth0"},{"dst":"192.0.2.0/24","dev":"eth0"},{"type":"local","dst":"192.0.2.2"},{"type":"multicast"}]`)
	require.NoError(t, err)
	require.Equal(t, prefixes("192.0.2.0/24", "192.0.2.2/32"), got)
	_, err = routes("")
	require.ErrorContains(t, err, "ip route")
}

func FuzzRoutes(f *testing.F) {
	f.Add(`[{"dst":"default"},{"dst":"10.0.0.0/8"},{"dst":"fe80::1"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := routes(text)
		if err != nil {
			return
		}
		for _, prefix := range got {
			require.True(t, prefix.IsValid())
		}
	})
}

package node

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseGates(t *testing.T) {
	for text, want := range map[string]Gates{
		"":               {},
		"  ":             {},
		"A=true":         {"A": true},
		"B=false, A=1":   {"A": true, "B": false},
		"NodeSwap=False": {"NodeSwap": false},
	} {
		gates, err := ParseGates(text)
		require.NoError(t, err, text)
		require.Equal(t, want, gates, text)
		require.NotNil(t, gates, "nil would mean the default")
	}
	for text, want := range map[string]string{
		"A":             `entry "A"`,
		"A=true,":       `entry ""`,
		"=true":         `entry "=true"`,
		"A=maybe":       `entry "A=maybe"`,
		"A=true,A=true": "A is there twice",
		"A b=true":      `entry "A b=true"`,
	} {
		_, err := ParseGates(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestDefaultGates(t *testing.T) {
	const off = "ContainerRestartRules=false,RestartAllContainersOnContainerExits=false"
	for version, want := range map[string]string{"1.33.13": "", "1.34.4": "", "1.35.4": off, "1.36.3": off} {
		require.Equal(t, want, DefaultGates(version).String(), version)
	}
}

func TestOptionsDefaults(t *testing.T) {
	o, err := Options{}.withDefaults()
	require.NoError(t, err)
	require.Equal(t, DefaultName, o.Name)
	require.Equal(t, DefaultGates(DefaultVersion), o.FeatureGates)

	o, err = Options{FeatureGates: Gates{}}.withDefaults()
	require.NoError(t, err)
	require.Empty(t, o.FeatureGates, "no gates were asked for")

	_, err = Options{Version: "1.35"}.withDefaults()
	require.ErrorContains(t, err, "1.MINOR.PATCH")
}

func FuzzParseGates(f *testing.F) {
	f.Add("A=true,B=false")
	f.Add("A=t, B=0")
	f.Add(",=")
	f.Fuzz(func(t *testing.T, text string) {
		gates, err := ParseGates(text)
		if err != nil {
			return
		}
		again, err := ParseGates(gates.String())
		require.NoError(t, err)
		require.Equal(t, gates, again)
	})
}

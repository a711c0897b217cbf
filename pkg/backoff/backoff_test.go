package backoff

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNext(t *testing.T) {
	s := time.Second
	for name, tc := range map[string]struct {
		backoff Backoff
		ran     []time.Duration
		waits   []time.Duration
	}{
		"the kubelet's": {Default(), []time.Duration{s, s, s, s, s, s, s, s}, []time.Duration{0, 10 * s, 20 * s, 40 * s, 80 * s, 160 * s, 300 * s, 300 * s}},
		"starts over":   {Default(), []time.Duration{s, s, s, 10*time.Minute + 1, s}, []time.Duration{0, 10 * s, 20 * s, 0, 10 * s}},
		"just not":      {Default(), []time.Duration{s, s, 10 * time.Minute}, []time.Duration{0, 10 * s, 20 * s}},
		"never waits":   {Backoff{}, []time.Duration{0, s, 0}, []time.Duration{0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			var waits []time.Duration
			var wait, delay time.Duration
			for _, ran := range tc.ran {
				wait, delay = tc.backoff.Next(ran, delay)
				waits = append(waits, wait)
			}
			require.Equal(t, tc.waits, waits)
		})
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Backoff{"none": {}, "10s/5m/10m": Default(), "1ms/1h/0s": {Initial: time.Millisecond, Max: time.Hour}} {
		got, err := Parse(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "10s", "10s/5m", "10s/5m/10m/1s", "10/5m/10m", "None", "-1s/5m/10m"} {
		_, err := Parse(text)
		require.Error(t, err, text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("10s/5m/10m")
	f.Add("none")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := Parse(text)
		if err != nil {
			require.Zero(t, b)
			return
		}
		again, err := Parse(b.Initial.String() + "/" + b.Max.String() + "/" + b.Reset.String())
		require.NoError(t, err)
		require.Equal(t, b, again)
	})
}

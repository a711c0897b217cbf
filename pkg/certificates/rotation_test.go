package certificates

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	start  = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	policy = rotation{Lifetimes{Validity: 10 * time.Hour, RenewBefore: 4 * time.Hour, Overlap: time.Hour}, []string{"webhook.system.svc"}}
)

// take takes a step that must change the state.
func take(t *testing.T, s state, now time.Time, why string) state {
	t.Helper()
	taken, err := policy.step(s, now)
	require.NoError(t, err)
	require.Contains(t, taken.why, why)
	require.NoError(t, taken.state.usable(taken.state.current, policy.names, now))
	return taken.state
}

// rest takes a step that must change nothing before next.
func rest(t *testing.T, s state, now, next time.Time) {
	t.Helper()
	taken, err := policy.step(s, now)
	require.NoError(t, err)
	require.Empty(t, taken.why)
	require.Equal(t, next, taken.next)
	require.Same(t, s.current, taken.state.current)
	require.Same(t, s.next, taken.state.next)
}

func TestRotation(t *testing.T) {
	first := take(t, state{}, start, "there is none")
	require.Len(t, first.trusted, 1)
	require.Nil(t, first.next)
	renewal := start.Add(6 * time.Hour)
	rest(t, first, start, renewal)
	rest(t, first, renewal.Add(-time.Second), renewal)

	// The next one is trusted before it is used.
	both := take(t, first, renewal, "is made")
	require.Same(t, first.current, both.current)
	require.Len(t, both.trusted, 2)
	require.NoError(t, both.usable(both.next, policy.names, renewal))
	takeover := renewal.Add(time.Hour)
	rest(t, both, renewal, takeover)

	// Whoever serves the one before is still trusted.
	second := take(t, both, takeover, "takes over")
	require.Same(t, both.next, second.current)
	require.Nil(t, second.next)
	require.Equal(t, both.trusted, second.trusted)
	require.NoError(t, second.usable(first.current, policy.names, takeover))
	rest(t, second, takeover, renewal.Add(6*time.Hour))

	// An authority is forgotten when it has ended.
	third := take(t, second, renewal.Add(6*time.Hour), "is made")
	require.Equal(t, second.trusted[1], third.trusted[0])
	require.Len(t, third.trusted, 2)
}

// TestTooLate: nobody was there when a step was due.
func TestTooLate(t *testing.T) {
	first := take(t, state{}, start, "there is none")
	ended := start.Add(11 * time.Hour)
	second := take(t, first, ended, "has expired")
	require.NotSame(t, first.current, second.current)
	require.Len(t, second.trusted, 1)

	both := take(t, first, start.Add(9*time.Hour+30*time.Minute), "is made")
	rest(t, both, start.Add(9*time.Hour+30*time.Minute), start.Add(10*time.Hour))
	early := take(t, both, start.Add(10*time.Hour+time.Second), "takes over early")
	require.Same(t, both.next, early.current)

	// Both have ended.
	all := take(t, both, start.Add(30*time.Hour), "has expired")
	require.Nil(t, all.next)
	require.Len(t, all.trusted, 1)
}

func TestOtherNames(t *testing.T) {
	first := take(t, state{}, start, "there is none")
	other := policy
	other.names = []string{"webhook.system.svc", "other.system.svc"}
	taken, err := other.step(first, start)
	require.NoError(t, err)
	require.Contains(t, taken.why, "other.system.svc")
	require.NoError(t, taken.state.usable(taken.state.current, other.names, start))
	require.Len(t, taken.state.trusted, 2)
}

func TestUntrusted(t *testing.T) {
	first := take(t, state{}, start, "there is none")
	second := take(t, state{}, start, "there is none")
	mixed := take(t, state{trusted: second.trusted, current: first.current}, start, "unknown authority")
	require.NotSame(t, first.current, mixed.current)
}

func TestEncode(t *testing.T) {
	both := take(t, take(t, state{}, start, "there is none"), start.Add(7*time.Hour), "is made")
	data := map[string][]byte{"note": []byte("not ours")}
	require.NoError(t, both.encode(data))
	require.Len(t, data, 6)
	decoded, err := decode(data)
	require.NoError(t, err)
	require.Equal(t, both.trusted, decoded.trusted)
	require.True(t, both.current.tls.Leaf.Equal(decoded.current.tls.Leaf))
	require.True(t, both.next.tls.Leaf.Equal(decoded.next.tls.Leaf))

	second := take(t, both, start.Add(8*time.Hour), "takes over")
	require.NoError(t, second.encode(data))
	require.NotContains(t, data, nextCertKey)
	require.NotContains(t, data, nextKeyKey)
	require.Contains(t, data, "note")
}

func TestDecodeDamaged(t *testing.T) {
	whole := map[string][]byte{}
	require.NoError(t, take(t, state{}, start, "there is none").encode(whole))

	s, err := decode(nil)
	require.NoError(t, err)
	require.Equal(t, state{}, s)

	for _, key := range []string{CAKey, certKey, keyKey} {
		data := map[string][]byte{CAKey: whole[CAKey], certKey: whole[certKey], keyKey: whole[keyKey]}
		data[key] = []byte("-----BEGIN")
		s, err := decode(data)
		require.ErrorContains(t, err, key)
		require.NotContains(t, err.Error(), string(whole[keyKey]))
		require.True(t, len(s.trusted) == 0 || s.current == nil)
		take(t, s, start, "is made")
	}
}

func TestLifetimes(t *testing.T) {
	require.NoError(t, Default().Validate())
	for _, test := range []struct {
		lifetimes Lifetimes
		says      string
	}{
		{Lifetimes{time.Hour, time.Minute, 0}, "overlap is 0s"},
		{Lifetimes{time.Hour, time.Minute, time.Minute}, "leaves no time"},
		{Lifetimes{time.Hour, time.Hour, time.Minute}, "validity is 1h0m0s"},
		{Lifetimes{4 * time.Second, 2 * time.Second, time.Second}, "at least 5s"},
	} {
		require.ErrorContains(t, test.lifetimes.Validate(), test.says)
	}
}

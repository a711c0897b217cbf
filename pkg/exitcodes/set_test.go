package exitcodes

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestOf(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		var values []int32
		var want Set
		others := false
		for range r.IntN(300) {
			v := int32(r.IntN(256))
			if r.IntN(300) == 0 {
				v = []int32{-1, 256, -256, 1 << 30}[r.IntN(4)]
			}
			values = append(values, v)
			if !Possible(v) {
				others = true
				continue
			}
			want.Add(int(v))
		}
		set, has := Of(values)
		require.Equal(t, want, set, values)
		require.Equal(t, others, has, values)
	}
}

func TestMatchedBy(t *testing.T) {
	one := Set{1 << 1}
	for name, tc := range map[string]struct {
		on     *corev1.ContainerRestartRuleOnExitCodes
		want   Set
		others bool
	}{
		"none":             {nil, Set{}, false},
		"In":               {&corev1.ContainerRestartRuleOnExitCodes{Operator: "In", Values: []int32{1, 256}}, one, true},
		"NotIn":            {&corev1.ContainerRestartRuleOnExitCodes{Operator: "NotIn", Values: []int32{1}}, All.Without(one), false},
		"In nothing":       {&corev1.ContainerRestartRuleOnExitCodes{Operator: "In"}, Set{}, false},
		"NotIn nothing":    {&corev1.ContainerRestartRuleOnExitCodes{Operator: "NotIn"}, All, false},
		"unknown operator": {&corev1.ContainerRestartRuleOnExitCodes{Operator: "Near", Values: []int32{1}}, Set{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			set, others := MatchedBy(tc.on)
			require.Equal(t, tc.want, set)
			require.Equal(t, tc.others, others)
		})
	}
}

func TestSet(t *testing.T) {
	var s Set
	require.True(t, s.Empty())
	require.Equal(t, -1, s.First())
	require.Empty(t, s.String())
	for _, code := range []int{255, 7, 63, 64, 65} {
		s.Add(code)
	}
	require.Equal(t, "7,63-65,255", s.String())
	require.Equal(t, 7, s.First())
	require.True(t, s.Has(64))
	require.False(t, s.Has(66))
	require.True(t, s.In(Failures))
	require.False(t, All.In(Failures))
	require.Equal(t, All, Failures.With(Set{1}))
	require.Equal(t, "1-255", Failures.String())
	require.Equal(t, "0,2,4,6,...", All.Without(Set{0xaa}).Without(Set{1 << 8}).String())
}

func TestRunEnd(t *testing.T) {
	for _, set := range []Set{All, Failures, {1, 0, 0, 1 << 63}, {1 << 63, 3, 0, 0}, {^uint64(0), ^uint64(0), 7, 0}, {0b1101, 1 << 40, 1 << 63, 1}} {
		for code := range Count {
			if !set.Has(code) {
				continue
			}
			last := code
			for last+1 < Count && set.Has(last+1) {
				last++
			}
			require.Equal(t, last, set.RunEnd(code), "%v, %d", set, code)
		}
	}
}

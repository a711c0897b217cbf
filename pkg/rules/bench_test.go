package rules

import "testing"

// typical has three rules of five exit codes; the last code of the last one is 42.
func typical() *Container {
	return with(Regular, never, rule(in, 1, 2, 3, 4, 5), rule(in, 70, 71, 72, 73, 74), rule(in, 38, 39, 40, 41, 42))
}

func BenchmarkDecide(b *testing.B) {
	for _, bm := range []struct {
		name string
		c    *Container
		code int32
	}{
		{"one rule", with(Regular, never, rule(in, 42)), 42},
		{"3 rules of 5 codes, last matches", typical(), 42},
		{"3 rules of 5 codes, none matches", typical(), 137},
		{"20 rules of 255 codes, none matches", many(), 42},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Decide(podAlways, bm.c, bm.code)
			}
		})
	}
}

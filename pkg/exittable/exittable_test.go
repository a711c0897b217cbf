package exittable

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func end() Step               { return Step{Action: End, Rule: Policy} }
func linger() Step            { return Step{Action: Linger, Rule: Policy} }
func restart(rule int16) Step { return Step{Action: Restart, Rule: rule} }
func limited(rule int16, most int32, within time.Duration) Step {
	return Step{Action: Restart, Rule: rule, Max: most, Within: within}
}
func set(t *Table, e Step, codes ...int) *Table { return setAll(t, Entry{e}, codes...) }
func setAll(t *Table, e Entry, codes ...int) *Table {
	for _, c := range codes {
		t[c] = e
	}
	return t
}

func codes(lo, hi int) (list []int) {
	for c := lo; c <= hi; c++ {
		list = append(list, c)
	}
	return list
}

func TestText(t *testing.T) {
	for text, table := range map[string]*Table{
		"0-255:end":                               Uniform(end()),
		"0-255:restart/policy":                    Uniform(restart(Policy)),
		"0-41:end,42:restart/0,43-255:end":        set(Uniform(end()), restart(0), 42),
		"0:restart/19,1-255:end":                  set(Uniform(end()), restart(19), 0),
		"0-254:restart/policy,255:restart/3":      set(Uniform(restart(Policy)), restart(3), 255),
		"0-87:end,88:all/1,89-255:pod/2":          setAll(setAll(Uniform(end()), Entry{{Action: All, Rule: 1}}, 88), Entry{{Action: Pod, Rule: 2}}, codes(89, 255)...),
		"0-255:restart/0*1|all/3":                 Uniform(limited(0, 1, 0), Step{Action: All, Rule: 3}),
		"0-254:end,255:linger":                    set(Uniform(end()), linger(), 255),
		"0-41:end,42:restart/0*3|end,43-255:end":  setAll(Uniform(end()), Entry{limited(0, 3, 0), end()}, 42),
		"0-255:restart/0*1@10m0s|restart/policy":  Uniform(limited(0, 1, 10*time.Minute), restart(Policy)),
		"0:end,1:restart/0,2:restart/1,3-255:end": set(set(Uniform(end()), restart(0), 1), restart(1), 2),
	} {
		t.Run(text, func(t *testing.T) {
			require.Equal(t, text, table.String())
			parsed, err := Parse(text)
			require.NoError(t, err)
			require.Equal(t, table, parsed)
		})
	}
}

func TestParseErrors(t *testing.T) {
	for text, message := range map[string]string{
		"":                           `exit table: "": expected codes:action`,
		"0-255":                      `exit table: "0-255": expected codes:action`,
		"0-254:end":                  `exit table: ends before code 255, must cover 0-255`,
		"1-255:end":                  `exit table: "1-255:end": expected to go on with code 0`,
		"0-10:end,10-255:end":        `exit table: "10-255:end": expected to go on with code 11`,
		"0-10:end,12-255:end":        `exit table: "12-255:end": expected to go on with code 11`,
		"0-255:end,0-255:end":        `exit table: "0-255:end": expected to go on with code 256`,
		"0-256:end":                  `exit table: "0-256": expected a code 0..255 or a range lo-hi`,
		"255-0:end":                  `exit table: "255-0": expected a code 0..255 or a range lo-hi`,
		"-1:end":                     `exit table: "-1": expected a code 0..255 or a range lo-hi`,
		"0-255:stop":                 `exit table: unknown action "stop", expected end, linger, restart/policy, restart/<rule>, all/<rule> or pod/<rule>`,
		"0-255:restart/":             `exit table: "restart/": expected restart/policy or restart/<rule index>`,
		"0-255:restart/-1":           `exit table: "restart/-1": expected restart/policy or restart/<rule index>`,
		"0-255:restart/32768":        `exit table: "restart/32768": expected restart/policy or restart/<rule index>`,
		"0-255:all/policy":           `exit table: "all/policy": expected a rule index behind the slash`,
		"0-255:pod":                  `exit table: "pod": expected a rule index behind the slash`,
		"0-255:all/0*2|end":          `exit table: "all/0*2": expected a rule index behind the slash`,
		"0-255:end|end":              `exit table: "end|end": nothing can come after a step without a limit`,
		"0-255:restart/0*1":          `exit table: "restart/0*1": the last step must have no limit`,
		"0-255:restart/0*0|end":      `exit table: "restart/0*0": expected restart/<rule index>*<max>[@<duration>]`,
		"0-255:restart/0*1@x|end":    `exit table: "restart/0*1@x": expected restart/<rule index>*<max>[@<duration>]`,
		"0-255:restart/policy*1|end": `exit table: "restart/policy*1": expected restart/<rule index>*<max>[@<duration>]`,
		"0-255:end,":                 `exit table: "": expected codes:action`,
	} {
		t.Run(text, func(t *testing.T) {
			_, err := Parse(text)
			require.EqualError(t, err, message)
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "0-255:end", "0-41:end,42:restart/0,43-255:restart/policy", "0-9:end,9:end", "0-255:restart/0*2@1m|restart/1*3|linger", "0-9:all/0,10-255:restart/1*1|pod/2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		table, err := Parse(text)
		if err != nil {
			require.Nil(t, table)
			return
		}
		again, err := Parse(table.String())
		require.NoError(t, err)
		require.Equal(t, table, again)
	})
}

func TestTotal(t *testing.T) {
	for text, total := range map[string]Total{"0/end": {0, End}, "5/linger": {5, Linger}} {
		require.Equal(t, text, total.String())
		parsed, err := ParseTotal(text)
		require.NoError(t, err)
		require.Equal(t, total, *parsed)
	}
	for _, text := range []string{"", "5", "5/", "-1/end", "5/restart/policy", "x/end"} {
		_, err := ParseTotal(text)
		require.Error(t, err, text)
	}
}

//go:build linux

package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/supervise"
)

func TestParseCommand(t *testing.T) {
	for text, want := range map[string]supervise.Command{
		`liveness="true"`:                  {Name: "liveness", Argv: []string{"true"}},
		`preStop="sh" "-c" "echo \"a=b\""`: {Name: "preStop", Argv: []string{"sh", "-c", `echo "a=b"`}},
		`postStart="" "a\nb"`:              {Name: "postStart", Argv: []string{"", "a\nb"}},
	} {
		got, err := parseCommand(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for text, want := range map[string]string{
		"":                  "expected liveness, startup, postStart or preStop before the second =",
		`readiness="true"`:  "expected liveness, startup, postStart or preStop before the second =",
		"liveness=":         "expected words quoted as in Go, with one space between them",
		"liveness=true":     "expected words quoted as in Go, with one space between them",
		`liveness="a"  "b"`: "expected words quoted as in Go, with one space between them",
		`liveness="a" `:     "expected words quoted as in Go, with one space between them",
		`liveness="a""b"`:   `expected a space behind "a"`,
		`liveness="a" "b`:   "expected words quoted as in Go, with one space between them",
	} {
		_, err := parseCommand(text)
		require.EqualError(t, err, want, text)
	}
}

func FuzzParseCommand(f *testing.F) {
	f.Add(`liveness="true" "x y"`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCommand(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, c.Argv)
		words := make([]string, len(c.Argv))
		for i, word := range c.Argv {
			words[i] = strconv.Quote(word)
		}
		again, err := parseCommand(c.Name + "=" + strings.Join(words, " "))
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

func TestRunConfig(t *testing.T) {
	flags := func(extra ...flag) []flag {
		return append([]flag{{"container", "app"}, {"on-exit", "0-255:end"}}, extra...)
	}
	c, err := runConfig(flags(flag{"pod", "twin"}, flag{"kill-timeout", "5s"}, flag{"exec", `liveness="a"`}, flag{"exec", `preStop="b"`}), []string{"x"})
	require.NoError(t, err)
	require.Equal(t, supervise.Twin, c.Role)
	require.Equal(t, "5s", c.KillTimeout.String())
	require.Len(t, c.Commands, 2)

	for want, extra := range map[string][]flag{
		"--pod=all: expected member, twin or own": {{"pod", "all"}},
		"--pod needs --dir":                       {{"pod", "member"}, {"dir", ""}},
		"--kill-timeout=0s: must be more than 0":  {{"kill-timeout", "0s"}},
		`--exec=x="a": expected liveness, startup, postStart or preStop before the second =`: {{"exec", `x="a"`}},
	} {
		_, err := runConfig(flags(extra...), []string{"x"})
		require.EqualError(t, err, want)
	}
}

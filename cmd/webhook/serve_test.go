package main

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServeRefusesFlags(t *testing.T) {
	image := "--watcher-image=example.com/watcher:1"
	for _, test := range []struct {
		name string
		args []string
		says string
	}{
		{"no image", nil, "--watcher-image is required"},
		{"pull policy", []string{image, "--watcher-image-pull-policy=Sometimes"}, `--watcher-image-pull-policy is "Sometimes"`},
		{"port", []string{image, "--port=0"}, "--port is 0"},
		{"delay", []string{image, "--shutdown-delay=-1s"}, "--shutdown-delay is -1s"},
		{"log level", []string{image, "--log-level=loud"}, `--log-level is "loud"`},
		{"log format", []string{image, "--log-format=xml"}, `--log-format is "xml"`},
		{"unknown feature", []string{image, "--native-features=ContainerRestartRules,Rules"}, `--native-features: "Rules" is unknown`},
		{"feature without another", []string{image, "--native-features=RestartAllContainersOnContainerExits"}, "without ContainerRestartRules"},
		{"mode", []string{image, "--mode=native"}, `--mode is "native", must be emulate, auto or observe`},
		{"found out and said", []string{image, "--mode=auto", "--native-features=ContainerRestartRules"}, "leave one of them out"},
		{"workload kind", []string{image, "--pod-templates=trainings=spec.template"}, "group/version/resource=path"},
		{"arguments", []string{image, "now"}, "unknown command"},
		{"no certificate", []string{image, "--cert-dir=" + t.TempDir()}, "load the serving certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := newCommand()
			cmd.SetArgs(append([]string{"serve"}, test.args...))
			cmd.SetErr(new(bytes.Buffer))
			require.ErrorContains(t, cmd.ExecuteContext(t.Context()), test.says)
		})
	}
}

func TestServeDefaults(t *testing.T) {
	cmd := newServeCommand()
	for flag, value := range map[string]string{
		"port":                      "9443",
		"metrics-bind-address":      ":8080",
		"health-probe-bind-address": ":8081",
		"share-process-namespace":   "true",
		"shutdown-delay":            "5s",
		"mode":                      "emulate",
		"native-features":           "[]",
		"pod-templates":             "[]",
	} {
		require.Equal(t, value, cmd.Flags().Lookup(flag).DefValue, flag)
	}
}

func TestLogFormats(t *testing.T) {
	for format, line := range map[string]string{"json": `"msg":"seen"`, "text": "msg=seen"} {
		var out bytes.Buffer
		handler, err := newLogHandler(&out, "warn", format)
		require.NoError(t, err)
		require.False(t, handler.Enabled(t.Context(), 0))
		log := slog.New(handler)
		log.Info("hidden")
		log.Warn("seen")
		require.Contains(t, out.String(), line)
		require.NotContains(t, out.String(), "hidden")
	}
}

package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/inject"
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

// TestConfiguration: the file is what holds where no flag is given; both are looked at before anything is served.
func TestConfiguration(t *testing.T) {
	const head = "apiVersion: config.restartrules.dev/v1alpha1\nkind: Configuration\n"
	file := filepath.Join(t.TempDir(), "configuration.yaml")
	require.NoError(t, os.WriteFile(file, []byte(head+`
mode: observe
watcher: {image: example.com/file:1, digest: "sha256:`+strings.Repeat("1", 64)+`", imagePullPolicy: Never, readinessPort: 1000}
pods: {shareProcessNamespace: false}
namespaces: [{names: [edge], watcher: {image: example.com/edge:1}}]
`), 0o600))
	read := func(args ...string) (*serveOptions, func(string) inject.Options) {
		t.Helper()
		var o serveOptions
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.addFlags(flags)
		require.NoError(t, flags.Parse(args))
		c, err := o.configuration(flags)
		require.NoError(t, err)
		return &o, c.Options()
	}
	o, of := read("--config=" + file)
	require.Equal(t, modeObserve, o.mode.mode)
	require.Equal(t, "example.com/file@sha256:"+strings.Repeat("1", 64), of("default").Image)
	require.Equal(t, corev1.PullNever, of("default").ImagePullPolicy)
	require.EqualValues(t, 1000, of("default").ReadinessPort)
	require.False(t, of("default").ShareProcessNamespace)
	require.Equal(t, "example.com/edge:1", of("edge").Image)

	o, of = read("--config="+file, "--watcher-image=example.com/flag:1", "--mode=emulate", "--readiness-port=0", "--share-process-namespace", "--pin-digests",
		"--native-features=ContainerRestartRules", "--watcher-image-pull-policy=Always", "--pod-templates=batch.example.com/v1/trainings=spec.template")
	require.Equal(t, modeEmulate, o.mode.mode)
	require.Equal(t, []string{"ContainerRestartRules"}, o.mode.nativeFeatures)
	require.Len(t, o.podTemplates, 1)
	require.Equal(t, "example.com/flag@sha256:"+strings.Repeat("1", 64), of("default").Image)
	require.Equal(t, corev1.PullAlways, of("default").ImagePullPolicy)
	require.Zero(t, of("default").ReadinessPort)
	require.True(t, of("default").ShareProcessNamespace)
	require.True(t, of("default").PinDigests)
	require.Equal(t, "example.com/edge:1", of("edge").Image, "what is said of a namespace is nearer than a flag")

	_, of = read("--watcher-image=example.com/flag:1")
	require.Equal(t, "example.com/flag:1", of("default").Image)
	require.True(t, of("default").ShareProcessNamespace)
	require.EqualValues(t, inject.DefaultReadinessPort, of("default").ReadinessPort)

	require.NoError(t, os.WriteFile(file, []byte(head+"rules: {minBackof: 1s}"), 0o600))
	for says, args := range map[string][]string{
		"read the Configuration: open none":        {"--config=none"},
		`unknown field "rules.minBackof"`:          {"--config=" + file, "--watcher-image=example.com/flag:1"},
		`watcher.image: Invalid value: "No Image"`: {"--watcher-image=No Image"},
	} {
		cmd := newCommand()
		cmd.SetArgs(append([]string{"serve"}, args...))
		require.ErrorContains(t, cmd.ExecuteContext(t.Context()), says)
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

// TestServeHelp: the help says what each flag means.
func TestServeHelp(t *testing.T) {
	var out bytes.Buffer
	cmd := newCommand()
	cmd.SetArgs([]string{"serve", "--help"})
	cmd.SetOut(&out)
	require.NoError(t, cmd.Execute())
	newServeCommand().Flags().VisitAll(func(f *pflag.Flag) {
		require.NotEmpty(t, f.Usage, f.Name)
		require.Contains(t, out.String(), "--"+f.Name+" ")
	})
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

func TestTLSVersion(t *testing.T) {
	cmd := newServeCommand()
	flag := cmd.Flags().Lookup("tls-min-version")
	require.Equal(t, "1.3", flag.DefValue)
	require.NoError(t, flag.Value.Set("1.2"))
	require.Equal(t, "1.2", flag.Value.String())
	require.ErrorContains(t, flag.Value.Set("1.1"), "must be 1.2 or 1.3")
}

package inject

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/imageconfig"
	"restartrules.dev/pkg/plan"
)

const digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func imageOf(entrypoint, cmd []string) Found {
	return Found{Image: &imageconfig.Image{Digest: digest, Platforms: []imageconfig.Platform{{Architecture: "amd64", Process: imageconfig.Process{Entrypoint: entrypoint, Cmd: cmd}}}}}
}

// withoutCommand is a Pod whose trainer restarts in place, and has no command.
func withoutCommand(t *testing.T, more func(pod map[string]any)) []byte {
	data := object(t, `
metadata: {name: a, annotations: {}}
spec:
  restartPolicy: Never
  imagePullSecrets: [{name: pull}, {}]
  containers:
  - name: trainer
    image: reg.example.com/trainer:1
    unknownField: kept
    restartPolicy: Never
    restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]
`)
	return edit(t, data, func(pod map[string]any) {
		if more != nil {
			more(pod)
		}
	})
}

// knowing is Options.EntryPoint where this is known.
func knowing(known map[string]Found) func([]string, string) (Found, bool) {
	return func(_ []string, image string) (Found, bool) { found, ok := known[image]; return found, ok }
}

func lookingUp(found Found) Options {
	o := testOptions
	o.EntryPoint = knowing(map[string]Found{"reg.example.com/trainer:1": found})
	return o
}

func TestEntryPoint(t *testing.T) {
	args := func(pod map[string]any) { container(pod, "containers", 0)["args"] = []any{"$(X)"} }
	for name, tc := range map[string]struct {
		pod   func(map[string]any)
		found Found
		want  []any // behind the shim's flags
		err   string
	}{
		"ENTRYPOINT and CMD": {nil, imageOf([]string{"/e", "x"}, []string{"c"}), []any{"--", "/e", "x", "c"}, ""},
		"only CMD":           {nil, imageOf(nil, []string{"c"}), []any{"--", "c"}, ""},
		"args":               {args, imageOf([]string{"/e"}, []string{"c"}), []any{"--", "/e"}, ""},
		"args alone":         {args, imageOf(nil, []string{"c"}), []any{"--"}, ""},
		"$ is no reference":  {nil, imageOf([]string{"/e", "$(HOME)", "a$$b"}, nil), []any{"--", "/e", "$$(HOME)", "a$$$$b"}, ""},
		"by platform": {nil, Found{Image: &imageconfig.Image{Digest: digest, Platforms: []imageconfig.Platform{
			{Architecture: "arm64", Process: imageconfig.Process{Cmd: []string{"/arm it", "$"}}}, {Architecture: "amd64", Process: imageconfig.Process{Cmd: []string{"/amd"}}}}}},
			[]any{`--entry=amd64="/amd"`, `--entry=arm64="/arm it" "$$"`, "--"}, ""},
		"the annotation": {func(pod map[string]any) {
			meta(pod, "annotations")["entrypoint.restartrules.dev/trainer"] = `["/a", "b"]`
		}, Found{Err: errors.New("not asked")}, []any{"--", "/a", "b"}, ""},
		"nothing to run": {nil, imageOf(nil, nil), nil, "the image has neither ENTRYPOINT nor CMD; write the image's entry point here"},
		"not found":      {nil, Found{Err: errors.New("registry reg.example.com answered 404 Not Found")}, nil, `spec.containers[0].command: Required value: container "trainer" (image reg.example.com/trainer:1) gets a shim in front of its command to apply its restart rules, and the command in its image isn't known: registry reg.example.com answered 404 Not Found; write`},
		"a bad annotation": {func(pod map[string]any) {
			meta(pod, "annotations")["entrypoint.restartrules.dev/trainer"] = `/a b`
		}, Found{}, nil, `metadata.annotations[entrypoint.restartrules.dev/trainer]: Invalid value: "/a b": expected the image's entry point, a JSON array of words`},
		"process 1": {nil, imageOf([]string{"/init"}, nil), nil, "which works as process 1 only"},
	} {
		t.Run(name, func(t *testing.T) {
			data := withoutCommand(t, tc.pod)
			result, err := Create(data, lookingUp(tc.found))
			require.NoError(t, err)
			if tc.err != "" {
				require.Len(t, result.Errors, 1)
				require.Contains(t, result.Errors[0].Error(), tc.err)
				return
			}
			require.Empty(t, result.Errors)
			if name == "by platform" {
				require.Contains(t, result.Warnings, `container "trainer": what its image runs differs between amd64 and arm64; its shim chooses where it starts`)
			}
			pod := map[string]any{}
			patched := edit(t, apply(t, data, result.Patch), func(p map[string]any) { pod = p })
			c := container(pod, "containers", 0)
			command := c["command"].([]any)
			require.Equal(t, tc.want, command[len(command)-len(tc.want):])
			require.Equal(t, "/restartrules/shim", command[0])
			require.Equal(t, "kept", c["unknownField"])
			errs, err := Check(patched)
			require.NoError(t, err)
			require.Empty(t, errs)

			// Seen again, nothing changes; and with another answer the command follows.
			again, err := Create(patched, lookingUp(tc.found))
			require.NoError(t, err)
			require.Empty(t, again.Errors)
			require.Empty(t, again.Patch)
		})
	}
}

func TestEntryPointsAreAskedForFirst(t *testing.T) {
	o := testOptions
	o.EntryPoint = knowing(nil)
	result, err := Create(withoutCommand(t, nil), o)
	require.NoError(t, err)
	require.Empty(t, result.Patch)
	require.Empty(t, result.Errors)
	require.Equal(t, []string{"reg.example.com/trainer:1"}, result.Lookups)
	require.Equal(t, []string{"pull"}, result.PullSecrets)

	// Not for a Pod that is refused anyway, and not for a template.
	result, err = Create(withoutCommand(t, func(pod map[string]any) { spec(pod)["volumes"] = []any{map[string]any{"name": "restartrules"}} }), o)
	require.NoError(t, err)
	require.Empty(t, result.Lookups)
	require.Len(t, result.Errors, 1)
	_, errs, err := Template(withoutCommand(t, nil), nil, o)
	require.NoError(t, err)
	require.Empty(t, errs)
}

func TestPinnedDigest(t *testing.T) {
	const pinned = "reg.example.com/trainer:1@" + digest
	data := withoutCommand(t, func(pod map[string]any) { meta(pod, "annotations")["restartrules.dev/pin-image-digest"] = "true" })
	o := lookingUp(imageOf([]string{"/e"}, nil))
	result, err := Create(data, o)
	require.NoError(t, err)
	live := apply(t, data, result.Patch)
	require.Contains(t, string(live), pinned)
	again, err := Create(live, o)
	require.NoError(t, err)
	require.Empty(t, again.Patch)

	// The manifest applied again changes nothing.
	applied := edit(t, live, func(pod map[string]any) {
		container(pod, "containers", 0)["image"] = "reg.example.com/trainer:1"
		delete(container(pod, "containers", 0), "command")
		container(pod, "containers", 0)["restartPolicy"] = "Never"
		container(pod, "containers", 0)["restartPolicyRules"] = []any{map[string]any{"action": "Restart", "exitCodes": map[string]any{"operator": "In", "values": []any{42}}}}
	})
	updated, err := Update(applied, live, o)
	require.NoError(t, err)
	require.JSONEq(t, string(live), string(apply(t, applied, updated.Patch)))
}

func TestAnotherImage(t *testing.T) {
	o := lookingUp(imageOf([]string{"/e"}, nil))
	data := withoutCommand(t, nil)
	result, err := Create(data, o)
	require.NoError(t, err)
	live := apply(t, data, result.Patch)
	next := edit(t, live, func(pod map[string]any) { container(pod, "containers", 0)["image"] = "reg.example.com/trainer:2" })

	updated, err := Update(next, live, o)
	require.NoError(t, err)
	require.Equal(t, []string{"reg.example.com/trainer:2"}, updated.Lookups)

	for name, tc := range map[string]struct {
		found        Found
		errs, warned int
	}{
		"the same entry point": {imageOf([]string{"/e"}, nil), 0, 0},
		"another":              {imageOf([]string{"/e", "x"}, nil), 1, 0},
		"not found":            {Found{Err: errors.New("registry reg.example.com answered 503")}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			o.EntryPoint = knowing(map[string]Found{"reg.example.com/trainer:2": tc.found})
			updated, err := Update(next, live, o)
			require.NoError(t, err)
			require.Empty(t, updated.Lookups)
			require.Empty(t, updated.Patch)
			require.Len(t, updated.Errors, tc.errs)
			require.Len(t, updated.Warnings, tc.warned)
		})
	}
	require.Contains(t, string(live), `\"entryPoint\":{\"image\":\"reg.example.com/trainer:1\",\"digest\":\"`+digest+`\"`)
}

func FuzzWords(f *testing.F) {
	f.Add(`["/a", "b"]`)
	f.Fuzz(func(t *testing.T, text string) {
		list, ok := words(text)
		if ok {
			require.NotEmpty(t, list[0])
		}
	})
}

// An init container without a command runs again in a twin, with what its image runs.
func TestTwinOfAnImagesEntryPoint(t *testing.T) {
	data := object(t, `
metadata: {name: a}
spec:
  restartPolicy: Never
  initContainers: [{name: setup, image: reg.example.com/trainer:1, args: [x]}]
  containers:
  - name: trainer
    image: reg.example.com/other:1
    command: [/t]
    restartPolicy: Never
    restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [42]}}]
`)
	o := lookingUp(imageOf([]string{"/setup"}, []string{"not this"}))
	result, err := Create(data, o)
	require.NoError(t, err)
	require.Empty(t, result.Errors)
	live := apply(t, data, result.Patch)
	edit(t, live, func(pod map[string]any) {
		twin := container(pod, "containers", 1)
		require.Equal(t, "setup-replay", twin["name"])
		command := twin["command"].([]any)
		require.Equal(t, []any{"--", "/setup"}, command[len(command)-2:])
		require.Equal(t, []any{"x"}, twin["args"])
		require.NotContains(t, container(pod, "initContainers", 1), "command")
		text := meta(pod, "annotations")["restartrules.dev/plan"].(string)
		p, err := plan.Decode(text)
		require.NoError(t, err)
		require.Equal(t, []string{"/setup"}, p.Container("setup").EntryPoint.Command)
	})
	again, err := Create(live, o)
	require.NoError(t, err)
	require.Empty(t, again.Patch)
}

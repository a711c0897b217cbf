package source

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/inject"
)

func parseAll(t *testing.T, stream string) []*Document {
	t.Helper()
	docs, errs := Parse("in.yaml", []byte(stream))
	require.Empty(t, errs)
	return docs
}

func ids(docs []*Document) (ids []string) {
	for _, d := range docs {
		for _, o := range d.Objects {
			ids = append(ids, o.ID())
		}
	}
	return ids
}

func TestParse(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: "
	for name, tc := range map[string]struct {
		stream string
		docs   int
		ids    []string
		line   int // of the last document's kind
	}{
		"empty":               {"", 0, nil, 0},
		"comments":            {"# a\n---\n\n---\n  # b\n", 0, nil, 0},
		"one":                 {pod + "a}\n", 1, []string{"Pod/a"}, 2},
		"no newline":          {pod + "a}", 1, []string{"Pod/a"}, 2},
		"several":             {pod + "a}\n---\n" + pod + "b}\n--- # c\n" + pod + "c}\n", 3, []string{"Pod/a", "Pod/b", "Pod/c"}, 10},
		"CRLF":                {strings.ReplaceAll("---\n"+pod+"a}\n---\n---\n"+pod+"b}\n", "\n", "\r\n"), 2, []string{"Pod/a", "Pod/b"}, 8},
		"byte order mark":     {"\ufeff" + pod + "a}\n", 1, []string{"Pod/a"}, 2},
		"end marker":          {pod + "a}\n...\n# b\n" + pod + "b}\n", 2, []string{"Pod/a", "Pod/b"}, 7},
		"directive":           {"%YAML 1.1\n---\n" + pod + "a}\n", 1, []string{"Pod/a"}, 4},
		"on the marker":       {"--- {kind: Pod, apiVersion: v1, metadata: {name: a}}\n", 1, []string{"Pod/a"}, 1},
		"no marker":           {pod + "a}\ntext: |\n  ---\n  --- b\nlong: a\n  ---b\n", 1, []string{"Pod/a"}, 2},
		"generated name":      {"kind: Pod\nmetadata: {generateName: a-, namespace: ns}\n", 1, []string{"Pod/ns/a-"}, 1},
		"wrong type":          {"kind: Pod\nmetadata: {name: a, namespace: n}\n", 1, []string{"Pod/a"}, 1}, // n is false
		"list":                {"kind: List\nitems:\n- kind: Pod\n  metadata: {name: a}\n- {kind: Job, metadata: {name: b}}\n- 3\n", 1, []string{"Pod/a", "Job/b"}, 5},
		"list of a kind":      {"apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n", 1, []string{"Pod/a"}, 4},
		"empty list":          {"kind: List\nitems: []\n", 1, nil, 0},
		"JSON":                {"{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Pod\",\n\t\"metadata\": {\"name\": \"a\"}}", 1, []string{"Pod/a"}, 3},
		"JSON stream":         {"{\"kind\": \"Pod\",\n \"metadata\": {\"name\": \"a\"}}\n\n{\n\"kind\": \"Pod\", \"metadata\": {\"name\": \"b\"}}", 2, []string{"Pod/a", "Pod/b"}, 5},
		"JSON, then YAML":     {"{\"kind\": \"Pod\"}\n---\nkind: Job\n", 2, []string{"Pod/", "Job/"}, 3},
		"YAML that begins {":  {"{kind: Pod,\n metadata: {name: a},}\n", 1, []string{"Pod/a"}, 1},
		"no object":           {"- kind: Pod\n---\njust text\n---\nreplicas: 3\n", 3, nil, 0},
		"key there twice":     {"kind: Job\nkind: Pod\n", 1, []string{"Pod/"}, 2},
		"JSON with surrogate": {`{"kind": "Pod", "metadata": {"name": "a", "annotations": {"a": "\ud83d\ude00"}}}`, 1, []string{"Pod/a"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			docs := parseAll(t, tc.stream)
			require.Len(t, docs, tc.docs)
			require.Equal(t, tc.ids, ids(docs))
			if tc.line > 0 {
				objects := docs[len(docs)-1].Objects
				last := objects[len(objects)-1]
				field := "kind"
				if name == "list of a kind" {
					field = "metadata"
				}
				require.Equal(t, tc.line, last.Line(field))
				require.Equal(t, len(docs), last.Document.Index)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	docs, errs := Parse("in.yaml", []byte("kind: Pod\n---\nkind: [\n---\na: b\n  c: d\n---\nkind: Job\n---\n\tkind: Tab\n"))
	require.Equal(t, []string{"Pod/", "Job/"}, ids(docs))
	require.Len(t, errs, 3)
	for i, begins := range []string{"in.yaml:3: neither YAML nor JSON: ", "in.yaml:6: neither YAML nor JSON: ", "in.yaml:10: neither YAML nor JSON: "} {
		require.ErrorContains(t, errs[i], begins)
	}
}

func TestLine(t *testing.T) {
	o := parseAll(t, `# comment
---
kind: Pod
metadata:
  annotations:
    restartrules.dev/rules: |
      containers:
        app:
          restartPolicy: Never
          restartPolicyRules:
          - action: Restart
          unknown: 1
    other: "a: b"
spec:
  containers:
  - &app
    name: app
    command: [a,
      b]
  - *app
  - <<: *app
    name: c
`)[0].Objects[0]
	for path, line := range map[string]int{
		"":                                             3,
		"metadata":                                     4,
		"metadata.annotations[other]":                  13,
		"metadata.annotations[other].a":                13,
		"metadata.labels[a.b/c]":                       4,
		"spec.containers[0].command[1]":                19,
		"spec.containers[0].restartPolicy":             16,
		"spec.containers[1].name":                      17,
		"spec.containers[2].name":                      22,
		"spec.containers[7].name":                      15,
		"metadata.annotations[restartrules.dev/rules]": 6,
		"metadata.annotations[restartrules.dev/rules].containers[app].restartPolicy":                     9,
		"metadata.annotations[restartrules.dev/rules].containers[app].restartPolicyRules[0].action":      11,
		"metadata.annotations[restartrules.dev/rules].containers[app].restartPolicyRules[0].exitCodes.x": 11,
		"metadata.annotations[restartrules.dev/rules].containers[app]":                                   12, // where its document has an error
	} {
		require.Equal(t, line, o.Line(path), path)
	}
}

func TestKeys(t *testing.T) {
	o := parseAll(t, "kind: Pod\nspec:\n  a: 1\n  list: [{n: x}, {m: y}, z]\n  a: 2\n")[0].Objects[0]
	require.Equal(t, []Key{{"a", 3}, {"list", 4}, {"a", 5}}, o.Keys("spec"))
	require.Nil(t, o.Keys("spec.list"))
	require.Nil(t, o.Keys("nothing"))
	require.Equal(t, 3, o.Len("spec.list"))
	require.Zero(t, o.Len("spec.a"))
	require.Equal(t, []string{"x", "", ""}, o.Texts("spec.list", "n"))
	require.Nil(t, o.Texts("spec", "n"))
}

func TestPatch(t *testing.T) {
	ops := []inject.Op{
		{Op: "add", Path: "/metadata", Value: map[string]string{"yes": "no", "a/b": "1"}},
		{Op: "replace", Path: "/spec/list/1", Value: []int{1000000, 2}},
		{Op: "add", Path: "/spec/list/-", Value: "1e3"},
		{Op: "add", Path: "/spec/list/0", Value: map[string]any{}},
		{Op: "remove", Path: "/spec/gone"},
		{Op: "add", Path: "/spec/a~1b", Value: "line\nline\n"},
	}
	const before = "# head\nkind: Pod # kept\nspec:\n  big: 12345678901234567890\n  gone: 1\n  float: 1.0\n  old: yes\n  list: # also\n    - a\n    - b\n"
	for name, tc := range map[string]struct{ before, after string }{
		"YAML": {before, "# head\nkind: Pod # kept\nmetadata:\n  a/b: \"1\"\n  \"yes\": \"no\"\nspec:\n  big: 12345678901234567890\n  float: 1.0\n  old: yes\n  list: # also\n" +
			"    - {}\n    - a\n    - - 1000000\n      - 2\n    - \"1e3\"\n  a/b: |\n    line\n    line\n"},
		"lists not indented": {"kind: Pod\nspec:\n  gone: 1\n  list:\n  - a\n  - b\n", "kind: Pod\nmetadata:\n  a/b: \"1\"\n  \"yes\": \"no\"\nspec:\n  list:\n  - {}\n  - a\n" +
			"  - - 1000000\n    - 2\n  - \"1e3\"\n  a/b: |\n    line\n    line\n"},
		"anchors": {"kind: Pod\nb: &b {gone: 1}\nspec:\n  <<: *b\n  list: [a, b]\n", "b:\n  gone: 1\nkind: Pod\nmetadata:\n  a/b: \"1\"\n  \"yes\": \"no\"\nspec:\n  a/b: |\n    line\n    line\n  list:\n" +
			"  - {}\n  - a\n  - - 1000000\n    - 2\n  - \"1e3\"\n"},
		"JSON": {`{"kind": "Pod", "spec": {"gone": 1, "list": ["a", "b"]}}`, "kind: Pod\nmetadata:\n  a/b: \"1\"\n  \"yes\": \"no\"\nspec:\n  a/b: |\n    line\n    line\n  list:\n" +
			"  - {}\n  - a\n  - - 1000000\n    - 2\n  - \"1e3\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			d := parseAll(t, tc.before)[0]
			asJSON, asYAML, err := d.Patch(ops)
			require.NoError(t, err)
			require.Equal(t, tc.after, string(asYAML))
			require.True(t, sameAs(asYAML, asJSON))

			_, asYAML, err = d.Patch(nil)
			require.NoError(t, err)
			if name != "JSON" {
				require.Equal(t, tc.before, string(asYAML))
			}
		})
	}
	_, _, err := parseAll(t, "kind: Pod\n")[0].Patch(ops)
	require.Error(t, err)
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	write("b.yml", "kind: B")
	write("a.yaml", "kind: A\n---\nkind: A2")
	write("c.json", `{"kind": "C"}`)
	write("below/d.yaml", "kind: D")
	text := write("e.txt", "kind: E")
	write("empty/f.txt", "kind: F")

	docs, errs := Read([]string{dir}, false, nil)
	require.Empty(t, errs)
	require.Equal(t, []string{"A/", "A2/", "B/", "C/"}, ids(docs))

	docs, errs = Read([]string{text, "-", dir}, true, strings.NewReader("kind: Input"))
	require.Empty(t, errs)
	require.Equal(t, []string{"E/", "Input/", "A/", "A2/", "B/", "D/", "C/"}, ids(docs))
	require.Equal(t, Stdin, docs[1].File)

	docs, errs = Read([]string{filepath.Join(dir, "none.yaml"), filepath.Join(dir, "empty"), text}, false, nil)
	require.Len(t, docs, 1)
	require.Len(t, errs, 2)
	require.ErrorIs(t, errs[0], os.ErrNotExist)
	require.ErrorContains(t, errs[1], "no file with one of the extensions .json, .yaml, .yml")
}

func FuzzParse(f *testing.F) {
	for _, stream := range []string{"", "kind: Pod\n---\nkind: Job", "{\"kind\": \"List\", \"items\": [{}, 1]}", "--- |\n a\n...\n", "%YAML 1.1\n---\na",
		"kind: PodList\nitems: &a [*a]", "a: &a [b]\nkind: List\nitems: *a\n", "\r\n---\r\nkind: Pod\r\n", "{} {}", "kind: Pod\nspec: {<<: {a: b}}", "? [a]\n: b"} {
		f.Add(stream)
	}
	f.Fuzz(func(t *testing.T, stream string) {
		docs, errs := Parse("in", []byte(stream))
		lines := strings.Count(stream, "\n") + 1
		for _, err := range errs {
			require.True(t, strings.HasPrefix(err.Error(), "in:"), err)
		}
		for _, d := range docs {
			require.True(t, json.Valid(d.JSON))
			for _, o := range d.Objects {
				line := o.Line("spec.containers[0].restartPolicyRules[0]")
				require.True(t, line > 0 && line <= lines+strings.Count(stream, "\r"), "line %d of %d", line, lines)
				o.Keys("spec")
				o.Texts("spec.containers", "name")
			}
			asJSON, asYAML, err := d.Patch([]inject.Op{{Op: "add", Path: "/metadata", Value: map[string]string{"a": "b"}}})
			if err == nil {
				require.True(t, sameAs(asYAML, asJSON), "%s\n%s", asYAML, asJSON)
			}
		}
	})
}

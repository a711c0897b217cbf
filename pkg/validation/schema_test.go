package validation

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

const schemaFile = "../../docs/schema/rules-v1.schema.json"

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	require.NoError(t, err)
	id := doc.(map[string]any)["$id"].(string)
	require.Equal(t, "https://restartrules.dev/schema/rules-v1.schema.json", id)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource(id, doc))
	compiled, err := compiler.Compile(id)
	require.NoError(t, err)
	return compiled
}

// bySchema is what the schema finds wrong with a document.
func bySchema(t *testing.T, s *jsonschema.Schema, document string) error {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(document))
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	require.NoError(t, err)
	return s.Validate(value)
}

// byUs is what we find wrong with a document for a Pod that has just its containers, where all is
// allowed. An init container with restartPolicy Always in the document is a sidecar.
func byUs(document string) error {
	doc, _ := manifest.ParseDocument(document)
	p := &manifest.Pod{Metadata: manifest.Metadata{Annotations: map[string]string{api.RulesAnnotation: document}}}
	for _, c := range doc.Containers {
		p.Spec.Containers = append(p.Spec.Containers, manifest.Container{Name: c.Name})
	}
	for _, c := range doc.InitContainers {
		container := manifest.Container{Name: c.Name}
		if c.RestartPolicy != nil && *c.RestartPolicy == "Always" {
			container.RestartPolicy = c.RestartPolicy
		}
		p.Spec.InitContainers = append(p.Spec.InitContainers, container)
	}
	_, _, errs := Pod(p, nil, Options{RestartAllContainers: true})
	return errs.ToAggregate()
}

func TestSchemaAgrees(t *testing.T) {
	s := schema(t)
	const rule = "containers: {a: {restartPolicy: Never, restartPolicyRules: [%s]}}"
	for valid, documents := range map[bool][]string{
		true: {
			"{}", "version: v1", "containers: {}", "containers: {a: {}}",
			"containers: {a: {restartPolicyRules: []}}",
			"containers: {a: {restartPolicy: OnFailure, maxRestarts: 0, backoff: none}, b: {maxRestarts: 1000000, backoff: {}}}",
			"containers: {a: {backoff: {initialDelay: .5s, maxDelay: +1h2m3.s, resetAfter: 100µs}}}",
			"initContainers: {i: {restartPolicy: Never}, s: {restartPolicy: Always, restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [1]}}]}}",
			fmt.Sprintf(rule, "{action: Restart, exitCodes: {operator: NotIn}, maxRestarts: 1000, within: 1s}, {action: Terminate, exitCodes: {operator: In, values: []}}"),
			fmt.Sprintf(rule, "{action: Restart, exitCodes: {operator: In, values: [-2147483648, 2147483647, 1, 1]}}"),
			"restartAllContainers: {}", "restartAllContainers: {terminationGracePeriodSeconds: 0, preStop: false, backoff: none, killTimeoutSeconds: 1}",
			"restartAllContainers: {terminationGracePeriodSeconds: 86400, preStop: true, backoff: {maxDelay: 1h}, killTimeoutSeconds: 86400}",
			"initContainers: {s: {restartPolicy: Always, backoff: none}}", fmt.Sprintf(rule, on("TerminatePod", "In", "1")),
			fmt.Sprintf(rule, repeat(aRule, 20)),
			fmt.Sprintf(rule, on("Restart", "In", repeat("1", 255))),
		},
		false: {
			"null", "[]", "x", "version: v2", "version: 1", "version: null", "containers: []", "containers: null", "containers: {a: null}", "containers: {a: []}",
			"pods: {}", "restartAllContainers: null", "restartAllContainers: {terminationGracePeriodSeconds: 86401}", "restartAllContainers: {terminationGracePeriodSeconds: 1.5}", "restartAllContainers: {preStop: 1}", "restartAllContainers: {killTimeoutSeconds: 0}", "restartAllContainers: {grace: 1}", "initContainers: {s: {restartPolicy: Always, maxRestarts: 1}}", "containers: {a: {restartPolice: Never}}", "maxRestarts: 1",
			"containers: {a: {restartPolicy: Sometimes}}", "containers: {a: {restartPolicy: ''}}", "containers: {a: {restartPolicy: null}}",
			"containers: {a: {restartPolicyRules: [" + aRule + "]}}",
			"containers: {a: {maxRestarts: -1}}", "containers: {a: {maxRestarts: 1000001}}", "containers: {a: {maxRestarts: '1'}}", "containers: {a: {maxRestarts: 1.5}}", "containers: {a: {within: 1m}}",
			"containers: {a: {backoff: never}}", "containers: {a: {backoff: []}}", "containers: {a: {backoff: {initial: 1s}}}",
			"containers: {a: {backoff: {maxDelay: 5}}}", "containers: {a: {backoff: {maxDelay: 5 minutes}}}", "containers: {a: {backoff: {maxDelay: 0s}}}", "containers: {a: {backoff: {maxDelay: -1s}}}", "containers: {a: {backoff: {maxDelay: 0}}}",
			fmt.Sprintf(rule, "{}"), fmt.Sprintf(rule, "{action: Restart}"), fmt.Sprintf(rule, "{exitCodes: {operator: In}}"), fmt.Sprintf(rule, "{action: Restart, exitCodes: null}"),
			fmt.Sprintf(rule, on("restart", "In", "1")), fmt.Sprintf(rule, on("Restart", "in", "1")), fmt.Sprintf(rule, "{action: Restart, exitCodes: {values: [1]}}"),
			fmt.Sprintf(rule, on("Restart", "In", "2147483648")), fmt.Sprintf(rule, on("Restart", "In", "1.5")), fmt.Sprintf(rule, on("Restart", "In", "'1'")), fmt.Sprintf(rule, on("Restart", "In", "null")),
			fmt.Sprintf(rule, "{action: Restart, exitCodes: {operator: In, value: [1]}}"), fmt.Sprintf(rule, "{action: Restart, exitCodes: {operator: In, values: 1}}"),
			fmt.Sprintf(rule, on("Restart", "In", "1", ", maxRestarts: 0")), fmt.Sprintf(rule, on("Restart", "In", "1", ", maxRestarts: 1001")), fmt.Sprintf(rule, on("Restart", "In", "1", ", within: 1m")),
			fmt.Sprintf(rule, on("Terminate", "In", "1", ", maxRestarts: 1")), fmt.Sprintf(rule, on("Terminate", "In", "1", ", maxRestarts: 1, within: 1m")), fmt.Sprintf(rule, on("RestartAllContainers", "In", "1", ", maxRestarts: 1")), fmt.Sprintf(rule, on("TerminatePod", "In", "1", ", maxRestarts: 1")),
			fmt.Sprintf(rule, on("Restart", "In", "1", ", maxRestarts: 1, within: 1d")), fmt.Sprintf(rule, on("Restart", "In", "1", ", maxRestarts: 1, within: 60")), fmt.Sprintf(rule, on("Restart", "In", "1", ", maxRestarts: 1, backoff: none")),
			fmt.Sprintf(rule, repeat(aRule, 21)), fmt.Sprintf(rule, on("Restart", "In", repeat("1", 256))),
		},
	} {
		for _, document := range documents {
			require.Equal(t, valid, bySchema(t, s, document) == nil, "schema: %s: %v", document, bySchema(t, s, document))
			require.Equal(t, valid, byUs(document) == nil, "we: %s: %v", document, byUs(document))
		}
	}
}

// TestSchemaExamples has the schema's own examples keep what it promises.
func TestSchemaExamples(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	var doc struct{ Examples []json.RawMessage }
	require.NoError(t, json.Unmarshal(text, &doc))
	require.NotEmpty(t, doc.Examples)
	for _, example := range doc.Examples {
		require.NoError(t, bySchema(t, schema(t), string(example)))
		require.NoError(t, byUs(string(example)))
	}
}

// TestSchemaDescribesEverything looks for a description of each field, and for objects that take any.
func TestSchemaDescribesEverything(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	var doc any
	require.NoError(t, json.Unmarshal(text, &doc))
	var look func(path string, node any)
	look = func(path string, node any) {
		m, ok := node.(map[string]any)
		if !ok {
			return
		}
		for _, keyword := range []string{"properties", "$defs"} {
			if strings.HasSuffix(path, "/then") || strings.HasSuffix(path, "/if") {
				continue
			}
			properties, _ := m[keyword].(map[string]any)
			for name, property := range properties {
				require.NotEmpty(t, property.(map[string]any)["description"], path+"/"+name)
			}
		}
		if m["type"] == "object" {
			require.Contains(t, m, "additionalProperties", path)
		}
		for key, value := range m {
			look(path+"/"+key, value)
		}
	}
	look("", doc)
}

// TestWhatTheSchemaCannotSay lists the documents that the schema accepts and we refuse.
func TestWhatTheSchemaCannotSay(t *testing.T) {
	s := schema(t)
	const rule = "containers: {a: {restartPolicy: Never, restartPolicyRules: [%s]}}"
	for document, want := range map[string]string{
		"containers: {nobody: {}}":                                                                             "the Pod has no container of this name",
		"containers: {b: {restartPolicy: Always}}":                                                             "has other restart rules",
		"initContainers: {i: {restartPolicy: Always}}":                                                         "Always makes init container",
		"initContainers: {s: {backoff: none}}":                                                                 "is a sidecar",
		"initContainers: {s: {restartPolicy: Always, restartPolicyRules: [" + aRule + "]}}":                    "restartPolicyRules are not allowed",
		"containers: {a: {backoff: {initialDelay: 6m}}}":                                                       "initialDelay 6m0s is longer than maxDelay 5m0s",
		"containers: {a: {backoff: {maxDelay: 9999999h}}}":                                                     "expected a duration like",
		"containers: {a: {backoff: {initialDelay: 0.1ns}}}":                                                    "expected a duration above zero",
		fmt.Sprintf(rule, on("RestartAllContainers", "In", "1")):                                               "supported values",
		fmt.Sprintf(rule, on("Restart", "In", "1", ", maxRestarts: 1, within: 999ms")):                         "expected a duration of at least 1s",
		"{\"containers\": {\"a\": {\"maxRestarts\": 1.0}}}":                                                    "expected a number",
		"containers: {a: &x {}, b: {}}\ninitContainers: {i: *x}":                                               "an alias (*x), which is not supported",
		"containers: {a: {restartPolicy: Never, restartPolicyRules: [&r " + aRule + ", *r]}}\nversion: \"v1\"": "an alias (*r), which is not supported",
	} {
		if !strings.Contains(document, "1.0") { // on the way through YAMLToJSON it becomes 1
			require.NoError(t, bySchema(t, s, document), document)
		} else {
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
			require.NoError(t, err)
			require.NoError(t, s.Validate(value), document)
		}
		_, _, errs := Pod(pod(t, annotated(document)), nil, Options{})
		require.Len(t, errs, 1, document)
		require.Contains(t, errs[0].Error(), want)
	}
}

// documents makes documents of which many are valid, and many are nearly so.
type documents struct{ *rand.Rand }

func pick[T any](d documents, list ...T) T { return list[d.IntN(len(list))] }

// junk is now and then something else than the value.
func (d documents) junk(value any) any {
	if d.IntN(60) > 0 {
		return value
	}
	return pick[any](d, nil, true, 0, 1, -1, 1.5, 1001, "", "x", "none", "Never", "10s", []any{}, []any{1}, map[string]any{}, map[string]any{"a": 1})
}

// object has each key or not; those in must nearly always.
func (d documents) object(must string, fields map[string]func() any) any {
	m := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		often := 2
		if strings.Contains(must, key) {
			often = 60
		}
		if d.IntN(often) > 0 {
			m[key] = d.junk(fields[key]())
		}
	}
	if d.IntN(80) == 0 {
		m[pick(d, "action", "backoff", "maxRestarts", "within", "version", "values", "restartPolicy", "x")] = d.junk(1)
	}
	return d.junk(m)
}

func (d documents) list(most int, item func() any) any {
	list := []any{}
	for range d.IntN(most) {
		list = append(list, d.junk(item()))
	}
	return list
}

func (d documents) document() any {
	containers := func() any { return d.object("a", map[string]func() any{"a": d.container, "b": d.container}) }
	return d.object("containers", map[string]func() any{"version": func() any { return "v1" }, "containers": containers, "initContainers": containers, "restartAllContainers": d.restartAll})
}

func (d documents) restartAll() any {
	return d.object("", map[string]func() any{
		"terminationGracePeriodSeconds": func() any { return pick(d, 0, 2, 86400, 86401) },
		"preStop":                       func() any { return pick(d, true, false) },
		"backoff":                       d.backoff,
		"killTimeoutSeconds":            func() any { return pick(d, 1, 60, 86400) },
	})
}

func (d documents) backoff() any {
	delay := func(values ...string) func() any { return func() any { return pick(d, values...) } }
	if d.IntN(3) == 0 {
		return "none"
	}
	return d.object("", map[string]func() any{"initialDelay": delay("1s", "500ms", "+2s", ".1m"), "maxDelay": delay("30s", "1h30m", "299.5s"), "resetAfter": delay("1ns", "2us", "10m")})
}

func (d documents) container() any {
	return d.object("restartPolicy", map[string]func() any{
		"restartPolicy":      func() any { return pick(d, "Always", "OnFailure", "Never") },
		"restartPolicyRules": func() any { return d.list(pick(d, 3, 3, 3, 3, 3, 24), d.rule) },
		"maxRestarts":        func() any { return pick(d, 0, 1, 5, 1000, 1_000_000) },
		"backoff":            d.backoff,
	})
}

func (d documents) rule() any {
	action := pick(d, "Restart", "Restart", "Terminate", "RestartAllContainers", "TerminatePod")
	fields := map[string]func() any{
		"action": func() any { return action },
		"exitCodes": func() any {
			return d.object("operator", map[string]func() any{
				"operator": func() any { return pick(d, "In", "NotIn") },
				"values": func() any {
					return d.list(pick(d, 4, 4, 4, 4, 300), func() any { return pick(d, 0, 42, 255, 256, -1) })
				},
			})
		},
	}
	if action == "Restart" || d.IntN(20) == 0 {
		fields["maxRestarts"] = func() any { return pick(d, 1, 3, 1000) }
		if d.IntN(2) == 0 {
			fields["within"] = func() any { return pick(d, "1s", "10m", "1.5h") }
			return d.object("actionexitCodesmaxRestarts", fields)
		}
	}
	return d.object("actionexitCodes", fields)
}

// TestSchemaAgreesOnAnything has schema and parser judge random documents.
func TestSchemaAgreesOnAnything(t *testing.T) {
	s := schema(t)
	d := documents{rand.New(rand.NewPCG(7, 8))}
	valid := map[bool]int{}
	for range 1500 {
		value := d.document()
		text, err := json.Marshal(value)
		require.NoError(t, err)
		document := string(text)
		theirs, ours := bySchema(t, s, document), byUs(document)
		require.Equal(t, theirs == nil, ours == nil, "%s\nschema: %v\nwe: %v", document, theirs, ours)
		valid[ours == nil]++
	}
	t.Log(valid)
	require.Greater(t, valid[true], 400)
	require.Greater(t, valid[false], 400)
}

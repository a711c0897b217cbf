package manifest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
)

func decodePod(t *testing.T, object string) *Pod {
	t.Helper()
	pod, err := DecodePod([]byte(object))
	require.NoError(t, err)
	return pod
}

const liftable = `{"metadata":{},"spec":{
	"initContainers":[
		{"name":"setup","restartPolicy":"OnFailure"},
		{"name":"proxy","restartPolicy":"Always","restartPolicyRules":[{"action":"RestartAllContainers","exitCodes":{"operator":"NotIn","values":[0]}}]},
		{"name":"logs","restartPolicy":"Always"},
		{"name":"plain"}],
	"containers":[
		{"name":"trainer","restartPolicy":"Never","restartPolicyRules":[
			{"action":"Restart","exitCodes":{"operator":"In","values":[42,7,42,-1]}},
			{"action":"Restart","exitCodes":{"operator":"In","values":[]}}]},
		{"name":"b"},
		{"name":"a","restartPolicy":"Always"}]}}`

// TestEncodeLiftedNeverChanges pins the annotation's form for ever: the template of a running Job
// is immutable, and every other byte in a Deployment's template is a rollout. Never edit want.
func TestEncodeLiftedNeverChanges(t *testing.T) {
	const want = `{"version":"v1","containers":{"a":{"restartPolicy":"Always"},"trainer":{"restartPolicy":"Never","restartPolicyRules":[` +
		`{"action":"Restart","exitCodes":{"operator":"In","values":[42,7,42,-1]}},{"action":"Restart","exitCodes":{"operator":"In"}}]}},` +
		`"initContainers":{"proxy":{"restartPolicy":"Always","restartPolicyRules":[{"action":"RestartAllContainers","exitCodes":{"operator":"NotIn","values":[0]}}]},` +
		`"setup":{"restartPolicy":"OnFailure"}}}`
	text, err := EncodeLifted(Lift(decodePod(t, liftable)))
	require.NoError(t, err)
	require.Equal(t, want, text)

	const one = `{"version":"v1","containers":{"a":{"restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]}}}`
	text, err = EncodeLifted(Lift(decodePod(t, `{"metadata":{},"spec":{"containers":[{"name":"a","restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]}]}}`)))
	require.NoError(t, err)
	require.Equal(t, one, text)
}

func TestEncodeLiftedLeavesOutWhatIsNotNative(t *testing.T) {
	text, err := EncodeLifted(mustParse(t, "containers: {a: {restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In}, maxRestarts: 3}], maxRestarts: 5, backoff: none}, b: {backoff: none}}"))
	require.NoError(t, err)
	require.Equal(t, `{"version":"v1","containers":{"a":{"restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In"}}]}}}`, text)
}

func TestNothingToLift(t *testing.T) {
	doc := Lift(decodePod(t, `{"metadata":{},"spec":{"containers":[{"name":"a"}],"initContainers":[{"name":"s","restartPolicy":"Always","restartPolicyRules":[]}]}}`))
	require.Nil(t, doc)
	for _, doc := range []*Document{nil, {}, {Containers: []DocumentContainer{{Name: "a"}}}} {
		text, err := EncodeLifted(doc)
		require.NoError(t, err)
		require.Empty(t, text)
	}
}

func TestWithLiftedUndoesLift(t *testing.T) {
	written := decodePod(t, liftable)
	text, err := EncodeLifted(Lift(written))
	require.NoError(t, err)

	lifted := decodePod(t, `{"metadata":{},"spec":{
		"initContainers":[{"name":"setup"},{"name":"proxy","restartPolicy":"Always"},{"name":"logs","restartPolicy":"Always"},{"name":"plain"}],
		"containers":[{"name":"trainer"},{"name":"b"},{"name":"a"}]}}`)
	lifted.Metadata.Annotations = map[string]string{api.LiftedRulesAnnotation: text}
	whole, errs := lifted.WithLifted()
	require.Empty(t, errs)
	for i := range written.Spec.Containers {
		require.True(t, written.Spec.Containers[i].Rules.Equal(whole.Spec.Containers[i].Rules), written.Spec.Containers[i].Name)
	}
	for i := range written.Spec.InitContainers {
		require.True(t, written.Spec.InitContainers[i].Rules.Equal(whole.Spec.InitContainers[i].Rules), written.Spec.InitContainers[i].Name)
	}
	require.Nil(t, lifted.Spec.Containers[0].RestartPolicy, "the Pod itself is not changed")
	require.Empty(t, lifted.Spec.InitContainers[1].RestartPolicyRules, "the Pod itself is not changed")
}

func TestWithLiftedLeavesNativeFields(t *testing.T) {
	const always, never = `{"restartPolicy":"Always","restartPolicyRules":[{"action":"Restart"}]}`, `{"restartPolicy":"Never","restartPolicyRules":[{"action":"Restart"}]}`
	for name, tc := range map[string]struct {
		list, container, lifted string
		want                    Rules
	}{
		"a policy of its own":           {"containers", `"restartPolicy":"Never"`, never, Rules{RestartPolicy: policyOf("Never")}},
		"not there":                     {"containers", `"image":"x"`, never, mustParse(t, `containers: {a: `+never+`}`).Containers[0].Rules},
		"init":                          {"initContainers", `"image":"x"`, never, mustParse(t, `containers: {a: `+never+`}`).Containers[0].Rules},
		"init does not become sidecar":  {"initContainers", `"image":"x"`, always, Rules{}},
		"sidecar stays one":             {"initContainers", `"restartPolicy":"Always"`, never, Rules{RestartPolicy: policyOf("Always")}},
		"sidecar with rules of its own": {"initContainers", `"restartPolicy":"Always","restartPolicyRules":[{"action":"X"}]`, always, mustParse(t, "containers: {a: {restartPolicy: Always, restartPolicyRules: [{action: X}]}}").Containers[0].Rules},
	} {
		t.Run(name, func(t *testing.T) {
			pod := decodePod(t, `{"metadata":{},"spec":{"`+tc.list+`":[{"name":"a",`+tc.container+`}]}}`)
			pod.Metadata.Annotations = map[string]string{api.LiftedRulesAnnotation: `{"` + tc.list + `":{"a":` + tc.lifted + `,"gone":{"restartPolicy":"Never"}}}`}
			whole, errs := pod.WithLifted()
			require.Empty(t, errs)
			require.Equal(t, tc.want, append(whole.Spec.Containers, whole.Spec.InitContainers...)[0].Rules)
		})
	}
}

func TestWithLiftedWithoutLifted(t *testing.T) {
	pod := decodePod(t, liftable)
	whole, errs := pod.WithLifted()
	require.Empty(t, errs)
	require.Same(t, pod, whole)
}

func TestParseLiftedErrors(t *testing.T) {
	pod := decodePod(t, liftable)
	pod.Metadata.Annotations = map[string]string{api.LiftedRulesAnnotation: "containers:\n  a:\n    maxRestarts: 1\n    backoff: none\n    restartPolicyRules: [{within: 1m}, {acton: x}]\nrestartAllContainers: {}"}
	whole, errs := pod.WithLifted()
	require.Same(t, pod, whole)
	const annotation, hint = "annotation restartrules.dev/lifted-rules: ", " is not one of Kubernetes' own fields, and this annotation holds only those: write it in the annotation restartrules.dev/rules"
	want := []string{
		annotation + "line 3: maxRestarts" + hint,
		annotation + "line 4: backoff" + hint,
		annotation + "line 5: within" + hint,
		annotation + `line 5: unknown key "acton", did you mean "action"?`,
		annotation + "line 6: restartAllContainers is not one of Kubernetes' own fields, and this annotation holds only those: write it in the annotation restartrules.dev/rules",
	}
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	require.Equal(t, want, texts)
}

func FuzzLifted(f *testing.F) {
	text, err := EncodeLifted(Lift(&Pod{}))
	require.NoError(f, err)
	for _, text := range []string{text, full, "{}", `{"version":"v1","containers":{"a":{"restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]}}}`,
		`{"initContainers":{"s":{"restartPolicy":"Always","restartPolicyRules":[{"action":"RestartAllContainers"}]}}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, errs := ParseLifted(text)
		if len(errs) > 0 || strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') || r == '\\' }) {
			return // names and values of Kubernetes have no such characters
		}
		encoded, err := EncodeLifted(doc)
		require.NoError(t, err)
		if encoded == "" {
			require.True(t, doc.Equal(&Document{}))
			return
		}
		again, errs := ParseLifted(encoded)
		require.Empty(t, errs)
		require.True(t, doc.Equal(again), encoded)
		encodedAgain, err := EncodeLifted(again)
		require.NoError(t, err)
		require.Equal(t, encoded, encodedAgain)
	})
}

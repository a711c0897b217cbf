package check

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
)

func TestSubjects(t *testing.T) {
	refused := func(message string) *Probe {
		return &Probe{Webhook: forNamespaces, Kind: "Pod", Refusal: &metav1.Status{Message: message}}
	}
	const denied = `admission webhook "namespaces.restartrules.dev" denied the request: `
	found := map[string]bool{NotOptedIn: true, WebhookDown: true}
	for name, tc := range map[string]struct {
		code    string // empty: only a note
		subject Subject
	}{
		"pod emulated":      {"", Subject{Namespace: "research", Rules: true, Applied: true, Mode: "emulated", Why: "a shim is in front of the command of app"}},
		"pod without rules": {"", Subject{Namespace: "default", Applied: true, Probe: &Probe{Warnings: []string{"mind the step"}}}},
		"pod opted out":     {OptedOut, Subject{Namespace: "research", Rules: true, Label: api.InjectDisabled}},
		"pod made before":   {NotApplied, Subject{Namespace: "research", Rules: true, Applied: true, Live: true, Mode: "emulated", Why: "a shim is in front of the command of app"}},
		"pod not opted in":  {NotOptedIn, Subject{Namespace: "default", Rules: true}},
		"pod left alone":    {NotApplied, Subject{Namespace: "research", Rules: true, Why: "it runs on Windows"}},
		"pod refused by us": {RulesInvalid, Subject{Namespace: "research", Rules: true, Probe: refused(denied + "spec.containers[0].restartPolicy: Unsupported value")}},
		"pod refused":       {RefusedByOther, Subject{Namespace: "research", Rules: true, Probe: refused("exceeded quota: small")}},
		"pod while down":    {WebhookDown, Subject{Namespace: "research", Rules: true, Probe: refused(cantCall + "context deadline exceeded")}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.subject.Object = "Pod/" + tc.subject.Namespace + "/a"
			r, err := Judge(healthy(t), tc.subject)
			require.NoError(t, err)
			if tc.code == "" {
				require.Empty(t, r.Findings)
				require.NotEmpty(t, r.Notes)
			} else {
				require.Len(t, r.Findings, 1)
				require.Equal(t, tc.code, r.Findings[0].Code)
				found[tc.code] = true
			}
			golden(t, name, r)
		})
	}
	for _, code := range Codes {
		if strings.HasPrefix(code.Code, "RR3") {
			require.True(t, found[code.Code], "%s is not tested", code.Code)
		}
	}
}

// What is wrong with the cluster is said once.
func TestSubjectOfABrokenCluster(t *testing.T) {
	c := healthy(t)
	c.Namespaces[0] = namespace("default", "true")
	r, err := Judge(c, Subject{Object: "Pod/default/a", Namespace: "default", Rules: true})
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	require.Equal(t, WrongLabel, r.Findings[0].Code)
	require.Equal(t, []string{"Pod/default/a: its restart rules are not applied, for the reason found above"}, r.Notes)
}

func TestColours(t *testing.T) {
	require.Equal(t, "\x1b[31merror\x1b[0m", Colours(true).severity(Error))
	require.Equal(t, "\x1b[33mwarning\x1b[0m", Colours(true).severity(Warning))
	require.Equal(t, "error", Colours(false).severity(Error))
}

//go:build integration

package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
)

// hinted are objects with rules, %s being further labels of the Pod.
var hinted = map[string]string{
	"Pod": `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {%s}, "annotations": {"restartrules.dev/rules": "containers: {}"}},
		"spec": {"containers": [{"name": "a", "image": "a", "command": ["/a"]}]}}`,
	"Deployment": `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": ` + hintedTemplate + `}}`,
	"Job":        `{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"template": ` + hintedTemplate + `}}`,
	"CronJob":    `{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "a"}, "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": ` + hintedTemplate + `}}}}`,
}

const hintedTemplate = `{"metadata": {"labels": {"app": "a" %s}, "annotations": {"restartrules.dev/rules": "containers: {}"}},
	"spec": {"restartPolicy": "RESTARTPOLICY", "containers": [{"name": "a", "image": "a", "command": ["/a"]}]}}`

// TestHints: the API server warns of rules on which nothing acts, without a webhook.
func TestHints(t *testing.T) {
	_, err := kubectl(nil, "apply", "-f", filepath.Join("..", "..", "manifests", "components", "hints", "policy.yaml"))
	require.NoError(t, err)
	t.Cleanup(func() {
		out, err := kubectl(nil, "delete", "-f", filepath.Join("..", "..", "manifests", "components", "hints", "policy.yaml"))
		require.NoError(t, err, out)
	})
	say := func(kind, namespace, label string) string {
		text := hinted[kind]
		if label != "" {
			label = fmt.Sprintf("%q: %q", api.InjectLabel, label)
			if kind != "Pod" {
				label = ", " + label
			}
		}
		policy := "Always"
		if kind != "Deployment" {
			policy = "Never"
		}
		text = strings.ReplaceAll(fmt.Sprintf(text, label), "RESTARTPOLICY", policy)
		out, err := kubectl([]byte(text), "create", "--dry-run=server", "-n", namespace, "-f", "-")
		require.NoError(t, err, out)
		return out
	}
	unlabelled, wrong, out := newNamespace(t), newNamespace(t, api.InjectLabel, "true"), newNamespace(t, api.InjectLabel, "disabled")
	require.Eventually(t, func() bool { return strings.Contains(say("Pod", unlabelled, ""), "Warning") }, patience, interval, "the API server has noticed the policy")

	const nothing = "nothing acts on the annotation restartrules.dev/rules here: "
	for kind := range hinted {
		for name, tc := range map[string]struct{ namespace, label, says string }{
			"namespace without a label": {unlabelled, "", nothing + "opt in with: kubectl label --overwrite namespace " + unlabelled + " restartrules.dev/inject=enabled"},
			"namespace with true":       {wrong, "", nothing + "the label restartrules.dev/inject of namespace " + wrong + ` is "true", must be "enabled"`},
			"namespace that is out":     {out, "", nothing + "opt in with: kubectl label --overwrite namespace " + out + " restartrules.dev/inject=enabled"},
			"Pod with true":             {unlabelled, "true", nothing + `the Pod's label restartrules.dev/inject is "true", must be "enabled"`},
			"Pod that is in":            {unlabelled, "enabled", ""},
			"Pod that is out":           {unlabelled, "disabled", ""},
			"namespace that is in":      {optedIn(t), "", ""},
		} {
			t.Run(kind+", "+name, func(t *testing.T) {
				said := say(kind, tc.namespace, tc.label)
				if tc.says == "" {
					require.NotContains(t, said, nothing)
				} else {
					require.Contains(t, said, tc.says)
				}
			})
		}
	}
}

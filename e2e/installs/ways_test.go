//go:build e2e

package installs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/testcluster"
)

// A way to install. Its commands are those that the documents say.
type way struct {
	name        string
	certManager bool
	// again changes nothing, upgrade rolls out the webhook anew; without them, install and a restart of the rollout do.
	install, again, upgrade, remove []string
	// helm: the commands are Helm's.
	helm bool
}

const chart = "charts/restartrules"

var ways = []way{
	{
		name:    "kustomize, self-managed",
		install: []string{"apply", "--server-side", "-k", "manifests/overlays/self-managed"},
		remove:  []string{"delete", "-k", "manifests/overlays/self-managed"},
	},
	{
		name: "kustomize, cert-manager", certManager: true,
		install: []string{"apply", "--server-side", "-k", "manifests/overlays/cert-manager"},
		remove:  []string{"delete", "-k", "manifests/overlays/cert-manager"},
	},
	{
		name: "Helm, self-managed", helm: true,
		install: []string{"install", "restartrules", chart, "--set=certificates.mode=self-managed", "--wait"},
		again:   []string{"upgrade", "restartrules", chart, "--reuse-values", "--wait"},
		upgrade: []string{"upgrade", "restartrules", chart, "--reuse-values", "--set=podAnnotations.example\\.com/rollout=second", "--wait"},
		remove:  []string{"uninstall", "restartrules", "--wait"},
	},
	{
		name: "Helm, cert-manager", helm: true, certManager: true,
		install: []string{"install", "restartrules", chart, "--wait"},
		again:   []string{"upgrade", "restartrules", chart, "--reuse-values", "--wait"},
		upgrade: []string{"upgrade", "restartrules", chart, "--reuse-values", "--set=podAnnotations.example\\.com/rollout=second", "--wait"},
		remove:  []string{"uninstall", "restartrules", "--wait"},
	},
}

// run runs a command of the way's tool.
func (w way) run(t *testing.T, c *testcluster.Cluster, args []string) {
	t.Helper()
	command := "kubectl"
	if w.helm {
		command = tool(t, "release", "helm.sh/helm/v4/cmd/helm", "helm")
	}
	run(t, c, command, args...)
}

func rolledOut(t *testing.T, c *testcluster.Cluster) {
	t.Helper()
	run(t, c, "kubectl", "--namespace="+systemNamespace, "rollout", "status", "deployment/restartrules-webhook", "--timeout=60s")
}

// repeat installs what is installed.
func (w way) repeat(t *testing.T, c *testcluster.Cluster) {
	t.Helper()
	if w.again != nil {
		w.run(t, c, w.again)
	} else {
		w.run(t, c, w.install)
	}
	rolledOut(t, c)
}

// roll rolls out the webhook anew.
func (w way) roll(t *testing.T, c *testcluster.Cluster) {
	t.Helper()
	if w.upgrade != nil {
		w.run(t, c, w.upgrade)
	} else {
		run(t, c, "kubectl", "--namespace="+systemNamespace, "rollout", "restart", "deployment/restartrules-webhook")
	}
	rolledOut(t, c)
}

// customized is a kustomization of an overlay with components of manifests/, and further flags of the webhook.
func customized(t *testing.T, overlay string, components, flags []string) string {
	t.Helper()
	directory := t.TempDir()
	manifests, err := filepath.Abs(filepath.Join(root, "manifests"))
	require.NoError(t, err)
	relative, err := filepath.Rel(directory, manifests)
	require.NoError(t, err)
	text := fmt.Sprintf("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [%s]\n", filepath.Join(relative, "overlays", overlay))
	if len(components) > 0 {
		text += "components:\n"
	}
	for _, component := range components {
		text += "- " + filepath.Join(relative, "components", component) + "\n"
	}
	if len(flags) > 0 {
		text += "patches:\n- target: {kind: Deployment, name: restartrules-webhook}\n  patch: |-"
	}
	for _, f := range flags {
		text += fmt.Sprintf("\n    - {op: add, path: /spec/template/spec/containers/0/args/-, value: %q}", f)
	}
	require.NoError(t, os.WriteFile(filepath.Join(directory, "kustomization.yaml"), []byte(text), 0o644))
	return directory
}

//go:build e2e

package installs

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"restartrules.dev/e2e/images/product"
	"restartrules.dev/e2e/testcluster"
)

// before is the release of before, a revision of this repository. The default is the first that had overlays.
var before = flag.String("before", "f6bb22d", "the revision that TestReleases upgrades from and downgrades to")

const tagBefore = "before"

// TestReleases installs an earlier release, upgrades it to this one, and goes back, each with the manifests of its own, and
// at last removes it. No Pod is refused meanwhile, those that run go on restarting in place, whichever release injected
// them, and either webhook admits changes of the other's Pods.
func TestReleases(t *testing.T) {
	source := checkout(t, *before)
	c := empty(t)
	loadBefore(t, c, source)
	namespace, _ := c.NewNamespace(t, testcluster.OptedIn)
	old, current := kustomizationBefore(t, source), "manifests/overlays/self-managed"
	t.Cleanup(func() {
		if t.Failed() {
			tell(t, c)
		}
		run(t, c, "kubectl", "delete", "--ignore-not-found", "-k", current)
	})
	install := func(directory, tag string) {
		t.Helper()
		run(t, c, "kubectl", "apply", "--server-side", "-k", directory)
		rolledOut(t, c)
		pods, err := webhookPods(t.Context(), c)
		require.NoError(t, err)
		require.NotEmpty(t, pods)
		for _, pod := range pods {
			require.Equal(t, product.Repository+"/"+product.Webhook+":"+tag, pod.Spec.Containers[0].Image)
		}
	}
	// A Pod of each release, in the order of their creation.
	var pods []string
	holds := func(name string) {
		t.Helper()
		create(t, c, namespace, restarting(name))
		runs(t, c, namespace, name)
		pods = append(pods, name)
		for _, pod := range pods {
			goesOn(t, c, namespace, pod)
			changeable(t, c, namespace, pod)
		}
	}

	install(old, tagBefore)
	holds("first")
	const perSecond, pause = 10, 2 * time.Second
	l := startLoad(t, c, namespace, perSecond)
	l.goesOnFor(t, pause)
	l.note("upgrade")
	install(current, product.Tag)
	l.goesOnFor(t, pause)
	holds("upgraded")
	l.note("downgrade")
	install(old, tagBefore)
	l.goesOnFor(t, pause)
	holds("downgraded")
	l.stop()
	t.Logf("from %s to this release and back: %s", *before, l)
	l.holds(t)

	run(t, c, "kubectl", "delete", "-k", old)
	run(t, c, "kubectl", "delete", "--ignore-not-found", "-k", current)
	require.Empty(t, leftovers(t, c))
	for _, pod := range pods {
		goesOn(t, c, namespace, pod)
	}
}

// changeable requires that an image may be changed, as always: the webhook that is there compares the Pod with its plan.
func changeable(t *testing.T, c *testcluster.Cluster, namespace, name string) {
	t.Helper()
	_, err := c.API.CoreV1().Pods(namespace).Patch(t.Context(), name, types.StrategicMergePatchType,
		[]byte(`{"spec": {"containers": [{"name": "app", "image": "busybox:other"}]}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	require.NoError(t, err, name)
}

// checkout is the revision's tree, with its binaries in bin.
func checkout(t *testing.T, revision string) string {
	t.Helper()
	directory := t.TempDir()
	archive := filepath.Join(directory, "source.tar")
	command := exec.CommandContext(t.Context(), "git", "archive", "--output="+archive, revision)
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		t.Skipf("the revision %s is not here (a shallow clone?): %s", revision, out)
	}
	for _, args := range [][]string{{"tar", "--extract", "--file=" + archive}, {"make", "build"}} {
		command := exec.CommandContext(t.Context(), args[0], args[1:]...)
		command.Dir = directory
		command.Env = append(os.Environ(), "MAKEFLAGS=")
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%v: %s", args, out)
	}
	return directory
}

// loadBefore loads the images of before under a tag of their own.
func loadBefore(t *testing.T, c *testcluster.Cluster, source string) {
	t.Helper()
	for name, image := range product.Images(filepath.Join(source, "bin")) {
		image.Name = product.Repository + "/" + name + ":" + tagBefore
		archive := filepath.Join(source, name+".tar")
		require.NoError(t, image.WriteFile(archive))
		require.NoError(t, c.Local.LoadImage(t.Context(), archive))
	}
}

// kustomizationBefore are the manifests of before with its images.
func kustomizationBefore(t *testing.T, source string) string {
	t.Helper()
	directory := filepath.Join(source, "manifests", tagBefore)
	require.NoError(t, os.Mkdir(directory, 0o755))
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../overlays/self-managed]\nimages:\n"
	for _, name := range []string{product.Webhook, product.Watcher} {
		text += fmt.Sprintf("- {name: %s/%s, newTag: %s}\n", product.Repository, name, tagBefore)
	}
	require.NoError(t, os.WriteFile(filepath.Join(directory, "kustomization.yaml"), []byte(text), 0o644))
	return directory
}

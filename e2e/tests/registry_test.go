//go:build e2e

package tests

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"restartrules.dev/e2e/cluster/image"
	"restartrules.dev/e2e/registry"
	"restartrules.dev/pkg/api"
)

// registryKustomization is what docs/entrypoints.md says to install with.
const registryKustomization = `
resources: [manifests/overlays/self-signed]
components: [manifests/components/pull-secrets, manifests/components/registries]
configMapGenerator:
- name: restartrules-registries
  namespace: restartrules-system
  files: [registries.yaml, ca.crt]
`

// TestImagesOfARegistry: a private registry with TLS and passwords, which the webhook asks for entry points and
// the kubelet's containerd pulls from. No container has a command.
func TestImagesOfARegistry(t *testing.T) {
	onlyLocal(t)
	r, err := registry.Start(t.Context(), registry.Options{Dir: t.TempDir(), Host: cluster.Local.HostAddress(), Out: os.Stderr})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Stop()) })
	require.NoError(t, cluster.Local.TrustRegistry(r.Address, r.Authority))
	t.Cleanup(func() { require.NoError(t, cluster.Local.ForgetRegistry(r.Address)) })
	installWithRegistry(t, r)
	i := pushImages(t, r)

	t.Run("restarts", func(t *testing.T) {
		for name, tc := range map[string]struct {
			change func(t *testing.T, s *shape) // nil: Alice's credential is the Pod's
			image  registry.Reference           // none: that of the application
			saw    string                       // empty: what the application's image says
			check  func(t *testing.T, s *shape)
		}{
			"imagePullSecrets":                   {},
			"by digest":                          {image: registry.Reference{Tag: i.app.Digest}},
			"an image for several architectures": {image: i.index},
			"all credentials are tried": {change: func(_ *testing.T, s *shape) {
				s.pullBy(r, registry.User{Name: registry.Alice.Name, Password: "no password of anybody"})
				s.Spec.ImagePullSecrets = append(s.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: "missing"})
				s.pullBy(r, registry.Alice)
			}},
			"the ServiceAccount's imagePullSecrets": {change: func(t *testing.T, s *shape) {
				s.pullBy(r, registry.Alice)
				patch := []byte(`{"imagePullSecrets": [{"name": "` + s.Spec.ImagePullSecrets[0].Name + `"}]}`)
				s.Spec.ImagePullSecrets = nil
				_, err := client.CoreV1().ServiceAccounts(s.namespace).Patch(t.Context(), "default", types.MergePatchType, patch, metav1.PatchOptions{})
				require.NoError(t, err)
			}},
			"args follow the entry point": {image: i.shell, saw: "with args", change: func(_ *testing.T, s *shape) {
				s.app().Args = []string{"-c", fmt.Sprintf(attempts, "echo with args")}
				s.pullBy(r, registry.Alice)
			}},
			"an annotation instead": {saw: "annotated", change: func(t *testing.T, s *shape) {
				s.Annotations[api.EntryPointPrefix+"app"] = entryPoint(t, fmt.Sprintf(attempts, "echo annotated"))
				s.pullBy(r, registry.Bob)
			}},
			"the whole Pod, with an init container and its twin": {change: func(_ *testing.T, s *shape) {
				s.wholly("")
				s.Spec.InitContainers[0].Command, s.Spec.InitContainers[0].Image = nil, i.setup.Tag
				s.pullBy(r, registry.Alice)
			}, check: func(t *testing.T, s *shape) {
				require.Equal(t, "set up\nset up\n", s.exec("cat", "/work/setups"))
			}},
			"pinned": {change: func(_ *testing.T, s *shape) {
				s.Annotations[api.PinDigestAnnotation] = "true"
				s.pullBy(r, registry.Alice)
			}, check: func(t *testing.T, s *shape) {
				_, digest, _ := strings.Cut(i.app.Digest, "@")
				require.Equal(t, i.app.Tag+"@"+digest, s.get().Spec.Containers[0].Image)
			}},
			"another image must have the same entry point": {check: func(t *testing.T, s *shape) {
				_, stderr, err := kubectl(t, "", "set", "image", "-n", s.namespace, "pod/"+s.Name, "app="+i.shell.Tag)
				require.Error(t, err)
				t.Logf("kubectl says: %s", stderr)
				require.Contains(t, stderr, "spec.containers[0].image")
				_, stderr, err = kubectl(t, "", "set", "image", "-n", s.namespace, "pod/"+s.Name, "app="+i.app.Digest)
				require.NoError(t, err, stderr)
			}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := privateShape(t, cmp.Or(tc.image.Tag, i.app.Tag))
				if tc.change != nil {
					tc.change(t, s)
				} else {
					s.pullBy(r, registry.Alice)
				}
				require.Equal(t, cmp.Or(tc.saw, "private"), s.restart())
				if tc.check != nil {
					tc.check(t, s)
				}
			})
		}
	})
	refuse := func(t *testing.T, s *shape) (says string) {
		t.Helper()
		_, says, err := kubectl(t, asYAML(t, s.Pod), "create", "-n", s.namespace, "-f", "-")
		require.Error(t, err)
		t.Logf("kubectl says: %s", says)
		return says
	}
	t.Run("nobody without a credential", func(t *testing.T) {
		says := refuse(t, privateShape(t, i.app.Tag))
		require.Contains(t, says, `spec.containers[0].command: Required value: container "app" (image `+i.app.Tag+`)`)
		require.Contains(t, says, "registry "+r.Address+" answered 401 Unauthorized")
		require.Contains(t, says, "entrypoint.restartrules.dev/app")
	})
	t.Run("no Secret that the webhook may not read", func(t *testing.T) {
		s := newShape(t, newNamespace(t, optedIn), "")
		s.app().Image, s.app().Command = i.app.Tag, nil
		s.pullBy(r, registry.Alice)
		says := refuse(t, s)
		require.NotContains(t, says, registry.Alice.Password)
		require.Contains(t, says, "restartrules-pull-secrets", "what to bind")
	})
}

// installWithRegistry has the webhook trust the registry and read pull secrets, until the test is over.
func installWithRegistry(t *testing.T, r *registry.Registry) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"registries.yaml": fmt.Sprintf("registries:\n- host: %s\n  caFile: /etc/restartrules/registries/ca.crt\n", r.Address),
		"ca.crt":          string(r.Authority),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	t.Cleanup(func() { require.NoError(t, installAll(contextForCleanup(t)), "as it was") })
	require.NoError(t, cluster.ApplyKustomization(t.Context(), dir, registryKustomization))
	eventually(t, "the webhook that knows of no registry has ended", func() bool {
		pods, err := client.CoreV1().Pods("restartrules-system").List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=webhook"})
		require.NoError(t, err)
		return len(pods.Items) == 1
	})
}

// images are what is in the registry.
type images struct{ app, index, setup, shell registry.Reference }

// pushImages fills the registry. What the images run is in them alone.
func pushImages(t *testing.T, r *registry.Registry) images {
	t.Helper()
	busybox, err := image.Busybox(t.Context())
	require.NoError(t, err)
	script := func(name, text string) image.Image {
		return image.Image{Name: name, Entrypoint: []string{"/bin/sh", "-c"}, Cmd: []string{text}, Env: []string{"PATH=/bin"}, Files: busybox}
	}
	push := func(i image.Image) registry.Reference {
		pushed, err := r.Push(t.Context(), i)
		require.NoError(t, err)
		return pushed
	}
	app := script("team/app:1", fmt.Sprintf(attempts, "echo private"))
	amd64, arm64 := app, app
	amd64.Architecture, arm64.Architecture = "amd64", "arm64"
	index, err := r.PushIndex(t.Context(), "team/index:1", amd64, arm64)
	require.NoError(t, err)
	return images{
		app: push(app), index: index, setup: push(script("team/setup:1", "echo set up >>/work/setups")),
		shell: push(image.Image{Name: "team/shell:1", Entrypoint: []string{"/bin/sh"}, Env: []string{"PATH=/bin"}, Files: busybox}),
	}
}

// privateShape is a Pod in a namespace whose pull secrets the webhook may read. Its container has no command.
func privateShape(t *testing.T, imageName string) *shape {
	t.Helper()
	s := newShape(t, newNamespace(t, optedIn), "")
	s.app().Image, s.app().Command = imageName, nil
	_, err := client.RbacV1().RoleBindings(s.namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "restartrules-pull-secrets"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "restartrules-pull-secrets"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "restartrules-webhook", Namespace: "restartrules-system"}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return s
}

// pullBy makes a Secret with the user's credential and gives it to the Pod.
func (s *shape) pullBy(r *registry.Registry, user registry.User) {
	s.t.Helper()
	text, err := r.DockerConfig(user.Name, user.Password)
	require.NoError(s.t, err)
	secret, err := client.CoreV1().Secrets(s.namespace).Create(s.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{GenerateName: user.Name + "-"}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: text},
	}, metav1.CreateOptions{})
	require.NoError(s.t, err)
	s.Spec.ImagePullSecrets = append(s.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: secret.Name})
}

// entryPoint is an annotation's value that runs a script.
func entryPoint(t *testing.T, script string) string {
	t.Helper()
	text, err := json.Marshal([]string{"/bin/sh", "-c", script})
	require.NoError(t, err)
	return string(text)
}

// asYAML is a Pod as a file.
func asYAML(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	pod = pod.DeepCopy()
	pod.APIVersion, pod.Kind = "v1", "Pod"
	text, err := json.Marshal(pod)
	require.NoError(t, err)
	return string(text)
}

//go:build e2e

package tests

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"restartrules.dev/pkg/api"
)

// The image of a Pod that runs can be changed, and some controllers do it: the kubelet then starts that
// container again, with its shim, and what comes next is as before. alpine:3 is told by its file.
const (
	oneImage     = "busybox:stable"
	anotherImage = "alpine:3"
	whichImage   = `if [ -e /etc/alpine-release ]; then image=new; else image=old; fi; `
)

// setImage changes the image of a container.
func (p *runningPod) setImage(list, container string) {
	p.t.Helper()
	patch := `{"spec":{"` + list + `":[{"name":"` + container + `","image":"` + anotherImage + `"}]}}`
	_, err := client.CoreV1().Pods(enabled).Patch(p.t.Context(), p.name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(p.t, err)
}

// scripted gives a container a script in an image.
func (b *builder) scripted(container, script string) *builder {
	for i := range b.Spec.Containers {
		if c := &b.Spec.Containers[i]; c.Name == container {
			c.Image, c.Command = oneImage, []string{"sh", "-c", whichImage + script}
		}
	}
	return b
}

func TestAChangedImageStartsWithTheShim(t *testing.T) {
	t.Parallel()
	b := newPod(t, "image", true).container("peer").rules(restartAtOnce(42)).scripted("app",
		`echo "$image" >>/work/record; [ -e /work/go-on-$image ] && exec sleep 1000; touch /work/go-on-$image; exit 42`)
	p := b.create(t)
	p.waitStarts("peer", 1)
	record := func() string { return p.exec("peer", "sh", "-c", "cat /work/record || true") }
	eventually(t, "it has restarted in place", func() bool { return record() == "old\nold\n" })
	before := p.get()
	require.Zero(t, status(before, "app").RestartCount)

	p.setImage("containers", "app")
	eventually(t, "the kubelet has started it with the other image", func() bool { return status(p.get(), "app").RestartCount == 1 })
	eventually(t, "it has restarted in place again", func() bool { return record() == "old\nold\nnew\nnew\n" })
	after := p.get()
	require.Equal(t, before.UID, after.UID)
	require.EqualValues(t, 1, status(after, "app").RestartCount)
	require.Zero(t, status(after, "peer").RestartCount)
	require.Zero(t, status(after, api.WatcherContainer).RestartCount)
	require.Contains(t, p.logs("app"), "exitCode=42 rule=restartPolicyRules[0] action=Restart")
	eventually(t, "it is ready", func() bool { return isReady(p.get()) })
}

func TestAChangedImageOfAWholePod(t *testing.T) {
	t.Parallel()
	b := newPod(t, "image-whole", true).container("peer").rules(rulesWith("RestartAllContainers", "")).
		scripted("app", `echo "app $image" >>/work/record; exec sleep 1000`)
	b.Spec.RestartPolicy = corev1.RestartPolicyAlways
	b.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: oneImage, Command: []string{"sh", "-c", whichImage + `echo "setup $image" >>/work/record`},
		VolumeMounts: b.Spec.Containers[0].VolumeMounts}}
	p := b.create(t)
	p.waitStarts("peer", 1)
	record := func() string { return p.exec("peer", "sh", "-c", "cat /work/record || true") }
	eventually(t, "it runs", func() bool { return record() == "setup old\napp old\n" })

	p.setImage("containers", "app")
	p.setImage("initContainers", "setup")
	const started = "setup old\napp old\napp new\n"
	eventually(t, "the kubelet has started them with the other image", func() bool {
		pod := p.get()
		return record() == started && status(pod, "setup-replay").RestartCount == 1
	})
	require.Equal(t, 1, starts(p.events("peer")))

	p.restartAll("peer")
	p.waitStarts("peer", 2)
	eventually(t, "all have restarted, with the other image", func() bool { return record() == started+"setup new\napp new\n" })
	require.EqualValues(t, 1, status(p.get(), "app").RestartCount)
}

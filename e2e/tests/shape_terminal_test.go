//go:build e2e

package tests

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
)

// With a terminal and without, kubectl attach and exec are what they are in any container: who attaches after a
// restart talks to the second attempt, which is in the terminal's foreground, and exec has a terminal of its
// own beside it. TestAttach is about who is attached while it restarts.
func TestShapeTerminal(t *testing.T) {
	for name, test := range map[string]struct{ tty, whole bool }{
		"terminal":            {true, false},
		"terminal, whole Pod": {true, true},
		"stdin":               {false, false},
	} {
		tty := test.tty
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, newNamespace(t, optedIn), "tty")
			if test.whole {
				s.Annotations[api.RulesAnnotation] = strings.Replace(rulesWith("RestartAllContainers", ""), "Always", "Never", 1)
			}
			script := &s.app().Command[2]
			*script = strings.Replace(*script, "exec tail -f /dev/null",
				`read -r line; echo "got $line"; read -r line; echo "got $line"; read -r line; exit 0`, 1)
			s.app().Stdin, s.app().TTY = true, tty
			saw := s.restart()
			flags := "-i"
			if tty {
				require.Equal(t, "/dev/pts/0", saw)
				flags = "-it"
			} else {
				require.Equal(t, "not a tty", saw)
			}
			inTerminal := func(command string) *exec.Cmd {
				return exec.Command("script", "--quiet", "--return", "--command", cluster.Kubectl+" "+command, "/dev/null")
			}
			// exec first: it ends with what it was given to do.
			said := converse(t, inTerminal("exec -n "+s.namespace+" -it shape -- sh -c 'tty; read -r line; echo got $line; read -r line'"), "exec")
			require.Contains(t, said, "/dev/pts/", "exec has a terminal whatever the container has")
			if tty {
				require.NotContains(t, said, saw, "and one of its own")
			}

			attach := exec.Command(cluster.Kubectl, "attach", "-n", s.namespace, flags, "shape")
			if tty {
				attach = inTerminal("attach -n " + s.namespace + " " + flags + " shape")
			}
			converse(t, attach, "three", "four")
			pod := waitPod(t, s.namespace, s.Name, "succeeded", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodSucceeded })
			require.Zero(t, status(pod, "app").RestartCount)
		})
	}
}

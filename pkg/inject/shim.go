package inject

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
)

// hold is how long a shim holds an exit back in Pods with a preStop hook that can't be guarded.
const hold = "500ms"

// shim is the beginning of a wrapped container's command.
func (inj *injection) shim(c *part) []string {
	mode := ""
	switch {
	case c.compiled.Member && inj.compiled.WholePod:
		mode = "member"
	case c.compiled.Member:
		mode = "own" // it decides by itself, and runs the commands of probes for the watcher
	}
	return inj.shimOf(c.user.Name, mode, c.onExit, c, inj.execs(c))
}

// shimOf is the beginning of the command of a container that runs what c runs.
func (inj *injection) shimOf(name, mode, onExit string, c *part, execs []string) []string {
	args := append(make([]string, 0, 16), api.ShimPath, "run", "--container="+name)
	if mode != "" {
		args = append(args, "--pod="+mode)
	}
	args = append(args, "--on-exit="+onExit)
	if c.compiled.Total != nil {
		args = append(args, "--max-restarts="+c.compiled.Total.String())
	}
	if c.backoff != nil {
		args = append(args, "--backoff="+c.backoff.String())
	}
	if seam := inj.user.Metadata.Annotations[api.SeamAnnotation]; seam != "" && seam != "text" {
		args = append(args, "--seam="+seam)
	}
	if p := c.user.TerminationMessagePath; p != "" && p != corev1.TerminationMessagePathDefault {
		// The kubelet expands $(VAR) and $$ in the container's command, not in this field.
		args = append(args, "--termination-message="+strings.ReplaceAll(p, "$", "$$"))
	}
	if inj.unguarded() != nil {
		args = append(args, "--hold="+hold)
	}
	if s := inj.restartAll.KillTimeoutSeconds; s != nil && mode != "" {
		args = append(args, "--kill-timeout="+strconv.Itoa(int(*s))+"s")
	}
	args = append(args, c.entry.flags()...)
	return append(append(args, execs...), "--")
}

// execs are the flags with the commands that the watcher may have run in the container.
func (inj *injection) execs(c *part) (flags []string) {
	add := func(name string, exec *corev1.ExecAction, expand func(string) string) {
		if exec == nil || len(exec.Command) == 0 {
			return
		}
		words := make([]string, len(exec.Command))
		for i, word := range exec.Command {
			words[i] = strconv.Quote(expand(word))
		}
		// The kubelet expands $(VAR) and $$ in the container's command, where this is.
		flags = append(flags, "--exec="+name+"="+strings.ReplaceAll(strings.Join(words, " "), "$", "$$"))
	}
	asItIs := func(word string) string { return word }
	add("liveness", c.probeExec(c.user.LivenessProbe), c.expand)
	add("startup", c.probeExec(c.user.StartupProbe), c.expand)
	if !inj.compiled.WholePod || !c.compiled.Member {
		return flags
	}
	if h := c.user.PostStart(); h != nil {
		add("postStart", h.Exec, asItIs)
	}
	if h := c.user.PreStop(); h != nil && inj.runsPreStop() {
		add("preStop", h.Exec, asItIs)
	}
	return flags
}

// expand replaces $(VAR) as the kubelet does in the command of an exec probe, where it takes only what
// the container's env says literally, and $$ by $ (upstream:
// pkg/kubelet/container/helpers.go, ExpandContainerCommandOnlyStatic, and
// third_party/forked/golang/expansion, Expand).
func (c *part) expand(word string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(word, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		word = rest
		name, behind, closed := strings.Cut(strings.TrimPrefix(rest, "("), ")")
		switch {
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			word = rest[1:]
		case strings.HasPrefix(rest, "(") && closed:
			word = behind
			if value, ok := c.env(name); ok {
				b.WriteString(value)
			} else {
				b.WriteString("$(" + name + ")")
			}
		default:
			b.WriteByte('$')
		}
	}
}

// env is what the container's env says of a variable. It is empty for one that comes from elsewhere.
func (c *part) env(name string) (value string, ok bool) {
	for _, e := range c.user.EnvVars() {
		if e.Name == name {
			value, ok = e.Value, true
		}
	}
	return value, ok
}

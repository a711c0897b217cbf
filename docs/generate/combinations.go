package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/explain"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/rules"
)

const combinationsHead = `# What happens after which exit

Every combination of container, policies and one rule, as the webhook compiles it on a cluster without the feature.
Generated from the code by ` + "`make docs`" + `; the same for a manifest of yours: ` + "`kubectl restartrules explain -f FILE`" + `.

How to read it. The rule is about exit code 42: ` + "`In`" + ` is ` + "`In [42]`" + `, ` + "`NotIn`" + ` is ` + "`NotIn [42]`" + `. *Pod* is the
Pod's own ` + "`restartPolicy`" + `, *any* all three of them. *Becomes* is what the Pod gets instead, where it can't keep it.

| word | what happens |
| --- | --- |
| starts again in place | the shim starts the command again: same container, milliseconds, back-off as the kubelet's |
| starts again: kubelet | the container ends, the kubelet makes a new one, as without rules |
| all start again | the whole Pod starts over in place, init containers included |
| succeeded, failed | the container ends for good |
| done | the init container is complete, the next container starts |
| Pod fails | the init container ends for good, and so does the Pod |
| Pod ends | all containers are stopped, each ends with its own code |

With several rules the first that matches decides; one that has used up its ` + "`maxRestarts`" + ` no longer matches. Without a
match the container's ` + "`restartPolicy`" + ` decides, without that the Pod's. ` + "`Terminate`" + ` and ` + "`TerminatePod`" + ` are ours
and need the annotation; a rule needs a ` + "`restartPolicy`" + ` of its container.
`

// about is the exit code that rules are about; codes are those that tables have.
const about = 42

var codes = []int{0, about, 1}

var podPolicies = []corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}

// kind is a kind of container and what it can have.
type kind struct {
	title, text string
	// field is where such a container is in the Pod.
	field    string
	sidecar  bool
	policies []string
}

var kinds = []kind{
	{"Containers", "The only container of its Pod.", "containers", false, []string{"", "Always", "OnFailure", "Never"}},
	{"Init containers", "Before one container without a policy of its own.", "initContainers", false, []string{"", "OnFailure", "Never"}},
	{"Sidecars", "Init containers with `restartPolicy: Always`, beside one container without a policy of its own.", "initContainers", true, []string{"Always"}},
}

// rule is one in the annotation; without an action there is none.
type rule struct{ action, operator string }

func allRules() []rule {
	all := []rule{{}}
	for _, action := range []string{"Restart", "RestartAllContainers", string(rules.ActionTerminate), string(rules.ActionTerminatePod)} {
		all = append(all, rule{action, "In"}, rule{action, "NotIn"})
	}
	return all
}

// combinations is the page.
func combinations() ([]byte, error) {
	var page bytes.Buffer
	page.WriteString(combinationsHead)
	for _, k := range kinds {
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n", k.title, k.text)
		page.WriteString("| restartPolicy | rule | Pod | exit 0 | exit 42 | exit 1 | becomes |\n| --- | --- | --- | --- | --- | --- | --- |\n")
		for _, policy := range k.policies {
			for _, r := range allRules() {
				if policy == "" && r.action != "" {
					continue
				}
				if err := k.rows(&page, policy, r); err != nil {
					return nil, fmt.Errorf("%s, restartPolicy %q, %v: %w", k.title, policy, r, err)
				}
			}
		}
	}
	return page.Bytes(), nil
}

// rows writes a row for the Pod's policies under which the same happens.
func (k *kind) rows(page *bytes.Buffer, policy string, r rule) error {
	var all []string
	under := map[string][]string{}
	for _, own := range podPolicies {
		cells, err := k.cells(own, policy, r)
		if err != nil {
			return err
		}
		if !slices.Contains(all, cells) {
			all = append(all, cells)
		}
		under[cells] = append(under[cells], code(string(own)))
	}
	ruleText := "none"
	if r.action != "" {
		ruleText = code(r.action) + " " + code(r.operator)
	}
	for _, cells := range all {
		pods := strings.Join(under[cells], ", ")
		if len(under[cells]) == len(podPolicies) {
			pods = "any"
		}
		fmt.Fprintf(page, "| %s | %s | %s | %s |\n", code(policy), ruleText, pods, cells)
	}
	return nil
}

func code(text string) string {
	if text == "" {
		return "none"
	}
	return "`" + text + "`"
}

// cells are what happens after each of the codes, and what the Pod's policy becomes.
func (k *kind) cells(own corev1.RestartPolicy, policy string, r rule) (string, error) {
	pod, err := k.pod(own, policy, r)
	if err != nil {
		return "", err
	}
	compiled, _, invalid, err := inject.Compile(pod, nil, inject.Options{})
	if err != nil {
		return "", err
	}
	if len(invalid) > 0 {
		return "", invalid.ToAggregate()
	}
	if compiled == nil {
		// The Pod uses no rules, and the kubelet does everything.
		return k.untouched(own), nil
	}
	explained := explain.Explain(compiled)
	at := slices.IndexFunc(explained.Containers, func(c explain.Container) bool { return c.Name == "x" })
	var cells []string
	for _, c := range codes {
		cells = append(cells, k.cell(after(explained.Containers[at].Exits, c)))
	}
	becomes := ""
	if explained.Compiled != explained.Own {
		becomes = code(string(explained.Compiled))
	}
	return strings.Join(append(cells, becomes), " | "), nil
}

func after(exits []explain.Exit, code int) explain.Step {
	at := slices.IndexFunc(exits, func(e explain.Exit) bool { return e.From <= code && code <= e.To })
	return exits[at].Steps[0]
}

// untouched are the cells of a Pod that has no rules.
func (k *kind) untouched(own corev1.RestartPolicy) string {
	c := rules.Container{Name: "x", Kind: k.of()}
	var cells []string
	for _, code := range codes {
		action := map[rules.Action]string{rules.Restart: explain.RestartContainer, rules.Complete: explain.Complete, rules.Fail: explain.Fail}
		cells = append(cells, k.cell(explain.Step{Action: action[rules.Decide(own, &c, int32(code)).Action]}))
	}
	return strings.Join(append(cells, ""), " | ")
}

func (k *kind) of() rules.Kind {
	switch {
	case k.sidecar:
		return rules.Sidecar
	case k.field == "initContainers":
		return rules.Init
	default:
		return rules.Regular
	}
}

func (k *kind) cell(s explain.Step) string {
	switch s.Action {
	case explain.RestartInPlace:
		return "starts again in place"
	case explain.RestartContainer:
		return "starts again: kubelet"
	case explain.RestartAllContainers:
		return "all start again"
	case explain.TerminatePod:
		return "Pod ends"
	case explain.Complete:
		if k.of() == rules.Init {
			return "done"
		}
		return "succeeded"
	case explain.Fail:
		if k.of() == rules.Init {
			return "Pod fails"
		}
		return "failed"
	default:
		return s.Text
	}
}

// pod is the Pod with container x of the kind. What it has beyond Kubernetes makes it use the annotation.
func (k *kind) pod(own corev1.RestartPolicy, policy string, r rule) ([]byte, error) {
	type object = map[string]any
	x := object{"name": "x", "image": "x", "command": []string{"x"}}
	ruled := object{}
	if policy != "" && (!k.sidecar || r.action != "") {
		ruled["restartPolicy"] = policy
	}
	if k.sidecar {
		x["restartPolicy"] = policy
	}
	if r.action != "" {
		ruled["restartPolicyRules"] = []any{object{"action": r.action, "exitCodes": object{"operator": r.operator, "values": []int{about}}}}
	}
	spec := object{"restartPolicy": own, "containers": []any{x}}
	if k.field == "initContainers" {
		spec["initContainers"] = []any{x}
		spec["containers"] = []any{object{"name": "app", "image": "app", "command": []string{"app"}}}
	}
	metadata := object{"name": "pod"}
	if len(ruled) > 0 {
		document, err := json.Marshal(object{k.field: object{"x": ruled}})
		if err != nil {
			return nil, err
		}
		metadata["annotations"] = object{api.RulesAnnotation: string(document)}
	}
	return json.Marshal(object{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

package validation

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// Strategy is how RestartAllContainers is done.
type Strategy string

// The strategies: StrategyInPlace is what Pods have that don't say, StrategySandbox what they say in their annotation.
const (
	StrategyInPlace Strategy = "in-place"
	StrategySandbox Strategy = api.StrategySandbox
)

// AllActions and AllStrategies are what there is, sorted.
func AllActions() []corev1.ContainerRestartRuleAction {
	return annotationLanguage(&Options{RestartAllContainers: true}).actions
}

// AllStrategies are all strategies, sorted.
func AllStrategies() []Strategy { return []Strategy{StrategyInPlace, StrategySandbox} }

// Allowed is what those who run the cluster let users write.
type Allowed struct {
	// Actions of rules; nil: all.
	Actions []corev1.ContainerRestartRuleAction
	// Strategies of RestartAllContainers; nil: all.
	Strategies []Strategy
}

func (a *Allowed) allows(action corev1.ContainerRestartRuleAction) bool {
	return a.Actions == nil || slices.Contains(a.Actions, action)
}

// action is the error of an action that is not allowed.
func (a *Allowed) action(is corev1.ContainerRestartRuleAction, path *field.Path) *field.Error {
	return field.Forbidden(path, fmt.Sprintf("action %s is not allowed here: the Configuration of Restart Rules in this cluster says so (rules.allowedActions), it allows %s; %s",
		is, list(a.Actions), whatToDo(len(a.Actions) > 0)))
}

// strategy is the error of a strategy that is not allowed, or nil.
func (a *Allowed) strategy(is Strategy, path *field.Path) *field.Error {
	if a.Strategies == nil || slices.Contains(a.Strategies, is) {
		return nil
	}
	remedy := fmt.Sprintf("leave this annotation out: without it %s is done in place", corev1.ContainerRestartRuleActionRestartAllContainers)
	if is == StrategyInPlace {
		remedy = fmt.Sprintf("write %s: %s in this annotation", api.StrategyAnnotation, StrategySandbox)
	}
	return field.Forbidden(path, fmt.Sprintf("strategy %s is not allowed here: the Configuration of Restart Rules in this cluster says so (rules.allowedStrategies); %s, or ask those who run the cluster to allow it",
		is, remedy))
}

// inPlace refuses a Pod with a rule that restarts it whole, in place, where that is not allowed. Pod has found the Pod
// valid otherwise.
func (a *Allowed) inPlace(whole *manifest.Pod, doc *manifest.Document, root *field.Path) field.ErrorList {
	if a.Strategies == nil || whole.Metadata.Annotations[api.StrategyAnnotation] != "" {
		return nil
	}
	initContainers, containers := Resolve(whole, doc)
	for _, c := range slices.Concat(initContainers, containers) {
		for _, rule := range c.RestartPolicyRules {
			if rule.Action != corev1.ContainerRestartRuleActionRestartAllContainers {
				continue
			}
			if err := a.strategy(StrategyInPlace, annotation(root, api.StrategyAnnotation)); err != nil {
				return field.ErrorList{err}
			}
		}
	}
	return nil
}

func list[T ~string](values []T) string {
	if len(values) == 0 {
		return "none"
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

func whatToDo(any bool) string {
	const ask = "ask those who run the cluster to allow it"
	if any {
		return "use one of these, or " + ask
	}
	return "leave the rule out, or " + ask
}

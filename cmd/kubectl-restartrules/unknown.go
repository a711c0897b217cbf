package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/workload"
)

// What the API knows, as names of JSON fields.
var (
	podFields       = fieldsOf(reflect.TypeFor[corev1.PodSpec]())
	containerFields = fieldsOf(reflect.TypeFor[corev1.Container]())
	ruleFields      = fieldsOf(reflect.TypeFor[corev1.ContainerRestartRule]())
	codesFields     = fieldsOf(reflect.TypeFor[corev1.ContainerRestartRuleOnExitCodes]())
)

func fieldsOf(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// unknownFields are the fields that strict decoding would refuse in the restart rules of a Pod or Pod
// template, and beside them what looks like a misspelt one of ours. Other fields are none of ours.
func (s *subject) unknownFields(t *workload.Template) (list []finding) {
	report := func(format, path, key string, line int) {
		f := at(s.Object, severityError, "", fmt.Sprintf(format, path+"."+key))
		f.Line = line
		list = append(list, f)
	}
	check := func(path string, known []string, ours func(key string) bool) {
		seen := map[string]bool{}
		for _, key := range s.Keys(path) {
			switch {
			case !ours(key.Name):
			case seen[key.Name]:
				report("duplicate field %q", path, key.Name, key.Line)
			case !slices.Contains(known, key.Name):
				report("unknown field %q", path, key.Name, key.Line)
			}
			seen[key.Name] = true
		}
	}
	all := func(string) bool { return true }

	check(under(t, "spec"), podFields, looksLikeOurs)
	for _, name := range []string{"spec.initContainers", "spec.containers"} {
		name = under(t, name)
		for i := range s.Len(name) {
			container := fmt.Sprintf("%s[%d]", name, i)
			check(container, containerFields, looksLikeOurs)
			for j := range s.Len(container + ".restartPolicyRules") {
				rule := fmt.Sprintf("%s.restartPolicyRules[%d]", container, j)
				check(rule, ruleFields, all)
				check(rule+".exitCodes", codesFields, all)
			}
		}
	}
	return list
}

// looksLikeOurs reports whether a field is meant to be restartPolicy or restartPolicyRules, or a key of
// the annotation's document.
func looksLikeOurs(key string) bool {
	key = strings.ToLower(key)
	for _, part := range []string{"restart", "policy", "rule", "exitcode", "backoff"} {
		if strings.Contains(key, part) {
			return true
		}
	}
	return false
}

// containerPath is the path of the first container of that name, or empty.
func (s *subject) containerPath(name string) string {
	for i := range s.pods {
		for _, list := range []string{"spec.containers", "spec.initContainers"} {
			list = under(&s.pods[i], list)
			for j, n := range s.Texts(list, "name") {
				if n == name {
					return fmt.Sprintf("%s[%d]", list, j)
				}
			}
		}
	}
	return ""
}

// Package review makes AdmissionReviews of Pods of a size, for benchmarks.
package review

import (
	"encoding/json"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// Pod is one of a Job, of about that many bytes as JSON, most of them environment variables in up to eight containers.
// With rules, its containers restart on exit code 42; a watcher and shims are injected then.
func Pod(size int, rules bool) (*corev1.Pod, error) {
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "train", Labels: map[string]string{"app": "train"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "train", UID: "4f1c", Controller: new(true)}}},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers:    []corev1.Container{{Name: "trainer", Image: "example.com/trainer:1", Command: []string{"python", "train.py"}}},
		},
	}
	if rules {
		first := &pod.Spec.Containers[0]
		first.RestartPolicy = new(corev1.ContainerRestartPolicyNever)
		first.RestartPolicyRules = []corev1.ContainerRestartRule{{Action: corev1.ContainerRestartRuleActionRestart,
			ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: corev1.ContainerRestartRuleOnExitCodesOpIn, Values: []int32{42}}}}
	}
	for i := 0; ; i++ {
		text, err := json.Marshal(pod)
		if err != nil {
			return nil, fmt.Errorf("encode the Pod: %w", err)
		}
		if len(text) >= size {
			return pod, nil
		}
		container := &pod.Spec.Containers[i%len(pod.Spec.Containers)]
		container.Env = append(container.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%04d", i), Value: strings.Repeat("v", 40)})
		if i%40 == 20 && len(pod.Spec.Containers) < 8 {
			next := *pod.Spec.Containers[0].DeepCopy()
			next.Name, next.Env = fmt.Sprintf("trainer-%d", i), nil
			pod.Spec.Containers = append(pod.Spec.Containers, next)
		}
	}
}

// Create is what the API server sends when the Pod is created.
func Create(pod *corev1.Pod) ([]byte, error) {
	object, err := json.Marshal(pod)
	if err != nil {
		return nil, fmt.Errorf("encode the Pod: %w", err)
	}
	return json.Marshal(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID:       types.UID("705ab4f5-6393-11e8-b7cc-42010a800002"),
			Kind:      metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
			Resource:  metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
			Name:      pod.Name,
			Namespace: pod.Namespace,
			Operation: admissionv1.Create,
			Object:    runtime.RawExtension{Raw: object},
		},
	})
}

package main

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/client-go/kubernetes"
)

// nativeGates are the feature gates that the product does without.
var nativeGates = []string{"ContainerRestartRules", "RestartAllContainersOnContainerExits"}

// reportGates says what the API server's metrics say of the native gates. If mustBeOff, they have to say off.
func reportGates(ctx context.Context, client kubernetes.Interface, mustBeOff bool, out page) error {
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("ask the API server for its version: %w", err)
	}
	out.heading("Kubernetes " + version.GitVersion + ", kube-apiserver /metrics")
	metrics, err := client.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		err = fmt.Errorf("read the API server's metrics, which tell its feature gates: %w", err)
		if mustBeOff {
			return err
		}
		fmt.Fprintln(out.w, err)
		return nil
	}
	for _, gate := range nativeGates {
		line := gateMetric(string(metrics), gate)
		if line == "" {
			line = "no metric of " + gate + ": this version does not know it"
		}
		fmt.Fprintln(out.w, line)
		if mustBeOff && !strings.HasSuffix(line, "} 0") {
			return fmt.Errorf("feature gate %s is not off, the demo would show nothing: make the cluster anew, `make demo-down demo`", gate)
		}
	}
	return nil
}

// gateMetric is the line that says whether the gate is on (1) or off (0), or "".
func gateMetric(metrics string, gate string) string {
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, `kubernetes_feature_enabled{name="`+gate+`",`) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

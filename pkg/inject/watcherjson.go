package inject

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/jsonstring"
	"restartrules.dev/pkg/manifest"
)

// What is the same in every watcher, as JSON. It must not be changed.
var (
	watcherLifecycleJSON = encodeOurs(watcherLifecycle)
	watcherSecurityJSON  = encodeOurs(watcherSecurity)
)

// appendWatcher appends the watcher's container as encoding/json writes it. It knows only what watcherContainer
// sets.
func appendWatcher(text []byte, c *corev1.Container) (_ []byte, err error) {
	text = jsonstring.Append(append(text, `{"name":`...), c.Name)
	text = jsonstring.Append(append(text, `,"image":`...), c.Image)
	text = appendList(append(text, `,"command":`...), c.Command, jsonstring.Append)
	text = appendList(append(text, `,"env":`...), c.Env, appendEnvVar)
	text = append(text, `,"resources":`...)
	if len(c.Resources.Limits)+len(c.Resources.Requests) == 0 {
		text = append(text, "{}"...)
	} else if text, err = appendEncoded(text, c.Resources); err != nil {
		return nil, fmt.Errorf("resources: %w", err)
	}
	text = jsonstring.Append(append(text, `,"restartPolicy":`...), string(*c.RestartPolicy))
	text = appendList(append(text, `,"volumeMounts":`...), c.VolumeMounts, func(text []byte, m corev1.VolumeMount) []byte {
		return appendMount(text, manifest.VolumeMount{Name: m.Name, ReadOnly: m.ReadOnly, MountPath: m.MountPath})
	})
	if c.ReadinessProbe != nil {
		text = appendReadiness(append(text, `,"readinessProbe":`...), c.ReadinessProbe)
	}
	text = append(append(text, `,"lifecycle":`...), watcherLifecycleJSON...)
	if c.ImagePullPolicy != "" {
		text = jsonstring.Append(append(text, `,"imagePullPolicy":`...), string(c.ImagePullPolicy))
	}
	text = append(text, `,"securityContext":`...)
	if c.SecurityContext == &watcherSecurity {
		text = append(text, watcherSecurityJSON...)
	} else if text, err = appendEncoded(text, c.SecurityContext); err != nil {
		return nil, fmt.Errorf("securityContext: %w", err)
	}
	return append(text, '}'), nil
}

// appendEnvVar appends a variable with a value or of a field.
func appendEnvVar(text []byte, v corev1.EnvVar) []byte {
	text = jsonstring.Append(append(text, `{"name":`...), v.Name)
	if v.ValueFrom != nil {
		text = jsonstring.Append(append(text, `,"valueFrom":{"fieldRef":{"fieldPath":`...), v.ValueFrom.FieldRef.FieldPath)
		return append(text, "}}}"...)
	}
	return append(jsonstring.Append(append(text, `,"value":`...), v.Value), '}')
}

func appendReadiness(text []byte, p *corev1.Probe) []byte {
	if p.Exec != nil {
		text = append(appendList(append(text, `{"exec":{"command":`...), p.Exec.Command, jsonstring.Append), '}')
	} else {
		text = jsonstring.Append(append(text, `{"httpGet":{"path":`...), p.HTTPGet.Path)
		text = append(strconv.AppendInt(append(text, `,"port":`...), int64(p.HTTPGet.Port.IntVal), 10), '}')
	}
	text = strconv.AppendInt(append(text, `,"periodSeconds":`...), int64(p.PeriodSeconds), 10)
	text = strconv.AppendInt(append(text, `,"failureThreshold":`...), int64(p.FailureThreshold), 10)
	return append(text, '}')
}

{{- /* restartrules.namespace sets what the values say in .object, the Namespace. */ -}}
{{- define "restartrules.namespace" -}}
{{- if .Values.hostNetwork }}
{{- $_ := set .object.metadata.labels "pod-security.kubernetes.io/enforce" "privileged" }}
{{- end }}
{{- end }}

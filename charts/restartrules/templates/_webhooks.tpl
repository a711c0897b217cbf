{{- /* restartrules.webhooks sets what the values say in .object, a configuration of webhooks. */ -}}
{{- define "restartrules.webhooks" -}}
{{- $admission := .Values.admission }}
{{- $certificates := .Values.certificates }}
{{- if not $certificates.caInjection }}
{{- $kept := omit (get .object.metadata "annotations" | default dict) "cert-manager.io/inject-ca-from" }}
{{- $_ := unset .object.metadata "annotations" }}
{{- with $kept }}
{{- $_ := set $.object.metadata "annotations" . }}
{{- end }}
{{- end }}
{{- range .object.webhooks }}
{{- $_ := set . "failurePolicy" $admission.failurePolicy }}
{{- $_ := set . "timeoutSeconds" $admission.timeoutSeconds }}
{{- if eq $certificates.mode "provided" }}
{{- $_ := set .clientConfig "caBundle" (b64enc $certificates.caBundle) }}
{{- end }}
{{- range .namespaceSelector.matchExpressions }}
{{- if eq .key "kubernetes.io/metadata.name" }}
{{- $_ := set . "values" (concat .values $admission.namespaces.exclude) }}
{{- else if and (eq .key "restartrules.dev/inject") (eq $admission.namespaces.default "enabled") }}
{{- /* In [enabled] becomes NotIn [disabled], NotIn [enabled] becomes In [disabled]. */}}
{{- $_ := set . "operator" (ternary "NotIn" "In" (eq .operator "In")) }}
{{- $_ := set . "values" (list "disabled") }}
{{- end }}
{{- end }}
{{- $_ := set .namespaceSelector "matchExpressions" (concat .namespaceSelector.matchExpressions $admission.namespaces.matchExpressions) }}
{{- end }}
{{- end }}

{{- /*
restartrules.parts are the directories of files/ that are wanted, in the order in which they are applied.
*/ -}}
{{- define "restartrules.parts" -}}
{{- $parts := list "base" }}
{{- if ne .Values.certificates.mode "provided" }}
{{- $parts = append $parts .Values.certificates.mode }}
{{- end }}
{{- $parts = append $parts "high-availability" }}
{{- if .Values.reports.enabled }}
{{- $parts = append $parts "reports" }}
{{- end }}
{{- if .Values.pullSecrets.enabled }}
{{- $parts = append $parts "pull-secrets" }}
{{- end }}
{{- if .Values.registries.entries }}
{{- $parts = append $parts "registries" }}
{{- end }}
{{- if .Values.configuration }}
{{- $parts = append $parts "configuration" }}
{{- end }}
{{- if eq .Values.mode "auto" }}
{{- $parts = append $parts "native" }}
{{- end }}
{{- if .Values.policies.hints }}
{{- $parts = append $parts "hints" }}
{{- end }}
{{- if .Values.policies.guard }}
{{- $parts = append $parts "guard" }}
{{- end }}
{{- if .Values.networkPolicy.egress }}
{{- $parts = append $parts "egress" }}
{{- end }}
{{- $parts = append $parts "monitoring" }}
{{- toYaml $parts }}
{{- end }}

{{- /*
restartrules.objects are the objects of these parts, by the name of the file, with the patches of all parts applied and in
the namespace of the values.
*/ -}}
{{- define "restartrules.objects" -}}
{{- $objects := dict }}
{{- range $part := include "restartrules.parts" . | fromYamlArray }}
{{- range $path, $_ := $.Files.Glob (printf "files/%s/*.yaml" $part) }}
{{- $content := $.Files.Get $path | replace "restartrules-system" $.Values.namespace | fromYaml }}
{{- if hasSuffix ".patch.yaml" $path }}
{{- include "restartrules.merge" (dict "into" (get $objects (base $path | replace ".patch.yaml" ".yaml")) "patch" $content) }}
{{- else if include "restartrules.wanted" (dict "object" $content "Values" $.Values "Release" $.Release) }}
{{- $_ := set $objects (base $path) $content }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $objects }}
{{- end }}

{{- /* restartrules.wanted is empty if the values say that .object is not to be there. */ -}}
{{- define "restartrules.wanted" -}}
{{- $kind := .object.kind }}
{{- if eq $kind "PodDisruptionBudget" }}{{ if .Values.podDisruptionBudget.enabled }}yes{{ end }}
{{- else if eq $kind "NetworkPolicy" }}{{ if .Values.networkPolicy.enabled }}yes{{ end }}
{{- else if eq $kind "PriorityClass" }}{{ if and .Values.priorityClass.create (not .Values.priorityClassName) }}yes{{ end }}
{{- else if eq $kind "ServiceMonitor" }}{{ if .Values.metrics.serviceMonitor.enabled }}yes{{ end }}
{{- else if eq $kind "PrometheusRule" }}{{ if .Values.metrics.prometheusRule.enabled }}yes{{ end }}
{{- else if eq .object.metadata.name "restartrules-dashboard" }}{{ if .Values.metrics.dashboard.enabled }}yes{{ end }}
{{- else if eq $kind "Namespace" }}{{ if ne .Values.namespace .Release.Namespace }}yes{{ end }}
{{- else if eq $kind "Issuer" }}{{ if not .Values.certificates.issuerRef }}yes{{ end }}
{{- else if eq $kind "Certificate" }}{{ if not (and .Values.certificates.issuerRef (dig "spec" "isCA" false .object)) }}yes{{ end }}
{{- else }}yes
{{- end }}
{{- end }}

{{- /* restartrules.labels adds .labels to those of .object. */ -}}
{{- define "restartrules.labels" -}}
{{- $_ := set .object.metadata "labels" (merge (dict) (.labels | default dict) .object.metadata.labels) }}
{{- end }}

{{- /*
restartrules.merge changes the map .into as the map .patch says: null takes a value away, maps are merged, items of lists
are found by their name or added, all else is replaced.
*/ -}}
{{- define "restartrules.merge" -}}
{{- $into := .into }}
{{- range $key, $value := .patch }}
{{- $old := get $into $key }}
{{- if kindIs "invalid" $value }}
{{- $_ := unset $into $key }}
{{- else if and (kindIs "map" $value) (kindIs "map" $old) }}
{{- include "restartrules.merge" (dict "into" $old "patch" $value) }}
{{- else if and (kindIs "slice" $value) (kindIs "slice" $old) }}
{{- range $item := $value }}
{{- $found := false }}
{{- if kindIs "map" $item }}
{{- range $candidate := $old }}
{{- if and (hasKey $item "name") (eq (get $item "name") (get $candidate "name")) }}
{{- $found = true }}
{{- include "restartrules.merge" (dict "into" $candidate "patch" $item) }}
{{- end }}
{{- end }}
{{- end }}
{{- if not $found }}
{{- $old = append $old $item }}
{{- end }}
{{- end }}
{{- $_ := set $into $key $old }}
{{- else }}
{{- $_ := set $into $key $value }}
{{- end }}
{{- end }}
{{- end }}

{{- /* restartrules.deployment sets what the values say in .object, the Deployment. */ -}}
{{- define "restartrules.deployment" -}}
{{- $deployment := .object.spec }}
{{- $pod := $deployment.template }}
{{- $container := index $pod.spec.containers 0 }}
{{- $values := .Values }}

{{- $_ := set $deployment "replicas" $values.replicas }}
{{- with $values.minReadySeconds }}
{{- $_ := set $deployment "minReadySeconds" . }}
{{- end }}

{{- with $values.podLabels }}
{{- $_ := set $pod.metadata "labels" (merge (dict) $pod.metadata.labels .) }}
{{- end }}
{{- with $values.podAnnotations }}
{{- $_ := set $pod.metadata "annotations" (merge (dict) . (get $pod.metadata "annotations" | default dict)) }}
{{- end }}
{{- with $values.registries.entries }}
{{- /* The webhook reads the file when it starts. */}}
{{- $sum := toJson $values.registries | sha256sum }}
{{- $_ := set $pod.metadata "annotations" (merge (dict "restartrules.dev/registries" $sum) (get $pod.metadata "annotations" | default dict)) }}
{{- end }}
{{- with $values.configuration }}
{{- $sum := toJson . | sha256sum }}
{{- $_ := set $pod.metadata "annotations" (merge (dict "restartrules.dev/configuration" $sum) (get $pod.metadata "annotations" | default dict)) }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
{{- with get $values $field }}
{{- $_ := set $pod.spec $field . }}
{{- end }}
{{- end }}
{{- if $values.priorityClassName }}
{{- $_ := set $pod.spec "priorityClassName" $values.priorityClassName }}
{{- else if $values.priorityClass.create }}
{{- $_ := set $pod.spec "priorityClassName" "restartrules-webhook" }}
{{- end }}
{{- with $values.images.pullSecrets }}
{{- $_ := set $pod.spec "imagePullSecrets" . }}
{{- end }}

{{- $_ := set $container "image" (include "restartrules.image" (dict "images" $values.images "image" $values.images.webhook)) }}
{{- $_ := set $container "imagePullPolicy" $values.images.pullPolicy }}
{{- if ne $values.images.pullPolicy "IfNotPresent" }}
{{- /* The API server's default but for the tag latest. */}}
{{- include "restartrules.flag" (dict "container" $container "name" "watcher-image-pull-policy" "value" $values.images.pullPolicy) }}
{{- end }}
{{- range $container.env }}
{{- if eq .name "WATCHER_IMAGE" }}
{{- $_ := set . "value" (include "restartrules.image" (dict "images" $values.images "image" $values.images.watcher)) }}
{{- end }}
{{- end }}
{{- with get $values "resources" }}
{{- $_ := set $container "resources" . }}
{{- end }}

{{- if $values.hostNetwork }}
{{- $_ := set $pod.spec "hostNetwork" true }}
{{- $_ := set $pod.spec "dnsPolicy" "ClusterFirstWithHostNet" }}
{{- /* On a node where one runs there is no port for its successor. */}}
{{- $_ := set $deployment "strategy" (dict "type" "RollingUpdate" "rollingUpdate" (dict "maxUnavailable" 1 "maxSurge" 0)) }}
{{- end }}
{{- range $container.ports }}
{{- $port := get $values.ports .name }}
{{- if $port }}
{{- $_ := set . "containerPort" $port }}
{{- end }}
{{- end }}
{{- with get $values.ports "webhook" }}
{{- include "restartrules.flag" (dict "container" $container "name" "port" "value" .) }}
{{- end }}
{{- with get $values.ports "metrics" }}
{{- include "restartrules.flag" (dict "container" $container "name" "metrics-bind-address" "value" (printf ":%v" .)) }}
{{- end }}
{{- with get $values.ports "probes" }}
{{- include "restartrules.flag" (dict "container" $container "name" "health-probe-bind-address" "value" (printf ":%v" .)) }}
{{- end }}

{{- if ne $values.mode "emulate" }}
{{- include "restartrules.flag" (dict "container" $container "name" "mode" "value" $values.mode) }}
{{- end }}
{{- if hasKey $values "shareProcessNamespace" }}
{{- include "restartrules.flag" (dict "container" $container "name" "share-process-namespace" "value" $values.shareProcessNamespace) }}
{{- end }}
{{- if hasKey $values "readinessPort" }}
{{- include "restartrules.flag" (dict "container" $container "name" "readiness-port" "value" $values.readinessPort) }}
{{- end }}
{{- with $values.nativeFeatures }}
{{- include "restartrules.flag" (dict "container" $container "name" "native-features" "value" (join "," .)) }}
{{- end }}
{{- range $name, $value := $values.flags }}
{{- include "restartrules.flag" (dict "container" $container "name" $name "value" $value) }}
{{- end }}
{{- end }}

{{- /* restartrules.image is the reference of .image, one of .images. */ -}}
{{- define "restartrules.image" -}}
{{- if .image.digest -}}
{{ .images.registry }}/{{ .image.name }}@{{ .image.digest }}
{{- else -}}
{{ .images.registry }}/{{ .image.name }}:{{ .images.tag }}
{{- end }}
{{- end }}

{{- /* restartrules.flag sets the flag .name of .container to .value, where it was or at the end. */ -}}
{{- define "restartrules.flag" -}}
{{- $args := list }}
{{- $flag := printf "--%s=%v" .name .value }}
{{- $there := false }}
{{- range .container.args }}
{{- if hasPrefix (printf "--%s=" $.name) . }}
{{- $there = true }}
{{- $args = append $args $flag }}
{{- else }}
{{- $args = append $args . }}
{{- end }}
{{- end }}
{{- if not $there }}
{{- $args = append $args $flag }}
{{- end }}
{{- $_ := set .container "args" $args }}
{{- end }}

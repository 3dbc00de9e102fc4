{{- /* The partial pod template under every model's own: plain values first, `worker.template` over them. Empty when nothing is set. */}}
{{- define "aifabric.workerTemplate" -}}
{{- $worker := .Values.worker }}
{{- $metadata := dict }}
{{- with $worker.podLabels }}{{ $_ := set $metadata "labels" . }}{{ end }}
{{- with $worker.podAnnotations }}{{ $_ := set $metadata "annotations" . }}{{ end }}
{{- $spec := dict }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "runtimeClassName" "schedulerName" "serviceAccountName" "imagePullSecrets" }}
{{- with index $worker $field }}{{ $_ := set $spec $field . }}{{ end }}
{{- end }}
{{- $container := dict }}
{{- with $worker.image.pullPolicy }}{{ $_ := set $container "imagePullPolicy" . }}{{ end }}
{{- $resources := deepCopy $worker.resources }}
{{- if $worker.gpu.count }}
{{- $gpu := dict $worker.gpu.resourceName $worker.gpu.count }}
{{- $resources = mergeOverwrite $resources (dict "limits" $gpu) }}
{{- end }}
{{- with $resources }}{{ $_ := set $container "resources" . }}{{ end }}
{{- $template := deepCopy $worker.template }}
{{- $others := list }}
{{- range (($template.spec | default dict).containers) | default list }}
{{- if eq .name "worker" }}
{{- $container = mergeOverwrite $container . }}
{{- else }}
{{- $others = append $others . }}
{{- end }}
{{- end }}
{{- $result := mergeOverwrite (dict "metadata" $metadata "spec" $spec) $template }}
{{- if $container }}
{{- $others = prepend $others (merge (dict "name" "worker") $container) }}
{{- end }}
{{- if $others }}{{ $_ := set $result.spec "containers" $others }}{{ end }}
{{- if not $result.metadata }}{{ $_ := unset $result "metadata" }}{{ end }}
{{- if not $result.spec }}{{ $_ := unset $result "spec" }}{{ end }}
{{- toYaml $result }}
{{- end }}

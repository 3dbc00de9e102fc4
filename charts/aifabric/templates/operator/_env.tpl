{{- define "aifabric.operatorEnv" -}}
{{- $gateway := include "aifabric.selectorLabels" (dict "root" $ "component" "gateway") | fromYaml }}
{{- $selector := list }}
{{- range $key, $value := $gateway }}
{{- $selector = append $selector (printf "%s=%s" $key $value) }}
{{- end -}}
- {name: Logging__LogLevel__Default, value: {{ .Values.operator.logLevel | quote }}}
- {name: Operator__ListenUrl, value: {{ printf "http://%s:8090" .Values.listenHost | quote }}}
- {name: Operator__LeaderElection, value: "true"}
- {name: Operator__LeaderElectionNamespace, value: {{ .Release.Namespace | quote }}}
{{- if include "aifabric.isNamespaced" . }}
- {name: Operator__Namespace, value: {{ .Release.Namespace | quote }}}
{{- end }}
- {name: Operator__GatewayNamespace, value: {{ .Release.Namespace | quote }}}
- {name: Operator__GatewaySelector, value: {{ join "," $selector | quote }}}
- {name: Operator__GatewayPort, value: "8081"}
{{- with .Values.gateway.publicUrl }}
- {name: Operator__PublicUrl, value: {{ . | quote }}}
{{- end }}
- {name: Operator__Workers, value: {{ .Values.operator.workers | quote }}}
- {name: Operator__WorkerImage, value: {{ include "aifabric.image" (dict "root" $ "image" .Values.worker.image) | quote }}}
{{- range $name, $value := merge (deepCopy .Values.worker.env) (include "aifabric.tracing" . | fromYaml) }}
- {name: {{ printf "Operator__WorkerEnvironment__%s" $name | quote }}, value: {{ include "aifabric.text" $value | quote }}}
{{- end }}
{{- if not (or (include "aifabric.evictsUnready" .) (hasKey .Values.operator.settings "EvictUnreadyPods")) }}
- {name: Operator__EvictUnreadyPods, value: "false"}
{{- end }}
- {name: Operator__DataUri, value: {{ .Values.data.uri | quote }}}
{{- if and .Values.modelCache.hostPath .Values.modelCache.claimName }}
{{- fail "modelCache: set hostPath or claimName, not both" }}
{{- end }}
{{- with .Values.modelCache.hostPath }}
- {name: Operator__ModelCache__HostPath, value: {{ . | quote }}}
{{- end }}
{{- with .Values.modelCache.claimName }}
- {name: Operator__ModelCache__ClaimName, value: {{ . | quote }}}
{{- end }}
{{- with .Values.modelCache.sizeLimit }}
- {name: Operator__ModelCache__SizeLimit, value: {{ . | quote }}}
{{- end }}
{{- if include "aifabric.workerTemplate" . | fromYaml }}
- {name: Operator__WorkerTemplateFile, value: /etc/aifabric/worker/template.yaml}
{{- end }}
{{- if include "aifabric.hasWebhooks" . }}
- {name: Operator__Webhooks__Enabled, value: "true"}
- {name: Operator__Webhooks__Port, value: "9443"}
- {name: Operator__Webhooks__Namespace, value: {{ .Release.Namespace | quote }}}
- {name: Operator__Webhooks__ServiceName, value: {{ include "aifabric.fullname" . }}-webhooks}
- {name: Operator__Webhooks__SecretName, value: {{ include "aifabric.fullname" . }}-webhooks}
- {name: Operator__Webhooks__ValidatingConfiguration, value: {{ include "aifabric.clusterName" . }}}
- {name: Operator__Webhooks__MutatingConfiguration, value: {{ include "aifabric.clusterName" . }}}
{{- end }}
{{- include "aifabric.settings" (dict "prefix" "Operator" "settings" .Values.operator.settings) }}
{{- end }}

{{- define "aifabric.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* The release's name where it says enough: `helm install aifabric` makes aifabric-operator. */}}
{{- define "aifabric.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "aifabric.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "aifabric.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* Objects outside of namespaces carry the namespace's name unless it is the usual one, so that two releases do not meet. */}}
{{- define "aifabric.clusterName" -}}
{{- if eq .Release.Namespace "aifabric-system" -}}
{{- include "aifabric.fullname" . }}
{{- else -}}
{{- printf "%s-%s" (include "aifabric.fullname" .) .Release.Namespace }}
{{- end }}
{{- end }}

{{- /* These select pods and must never change. (dict "root" $ "component" "operator") */}}
{{- define "aifabric.selectorLabels" -}}
app.kubernetes.io/name: {{ include "aifabric.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "aifabric.labels" -}}
{{- $own := include "aifabric.selectorLabels" . | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service }}
{{- $_ := set $own "app.kubernetes.io/part-of" "aifabric" }}
{{- $_ := set $own "app.kubernetes.io/version" .root.Chart.AppVersion }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_")) }}
{{- toYaml (merge $own (.labels | default dict) .root.Values.commonLabels) }}
{{- end }}

{{- /* metadata of any object: (dict "root" $ "name" "x" "component" "operator" ["cluster" true] ["labels" {}] ["annotations" {}] ["namespace" "n"]) */}}
{{- define "aifabric.metadata" -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ .namespace | default .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "aifabric.labels" . | nindent 2 }}
{{- with merge dict (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "aifabric.image" -}}
{{- $image := .image }}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* (dict "root" $ "component" "operator") */}}
{{- define "aifabric.serviceAccountName" -}}
{{- $account := (index .root.Values .component).serviceAccount }}
{{- if $account.create }}
{{- $account.name | default (printf "%s-%s" (include "aifabric.fullname" .root) .component) }}
{{- else }}
{{- required (printf "%s.serviceAccount.name is needed when %s.serviceAccount.create is false" .component .component) $account.name }}
{{- end }}
{{- end }}

{{- define "aifabric.isNamespaced" -}}
{{- if eq .Values.scope "namespace" }}true{{ end }}
{{- end }}

{{- /* "true" when webhooks are served; their configurations stand outside of namespaces. */}}
{{- define "aifabric.hasWebhooks" -}}
{{- $wanted := toString .Values.webhooks.enabled }}
{{- if and (eq $wanted "true") (include "aifabric.isNamespaced" .) }}
{{- fail "webhooks.enabled: webhook configurations are no part of a namespace; with scope=namespace leave them at auto or false" }}
{{- end }}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") (not (include "aifabric.isNamespaced" .))) }}true{{ end }}
{{- end }}

{{- /* "true" for true, and for auto on a cluster that knows the Prometheus operator: (dict "root" $ "enabled" auto) */}}
{{- define "aifabric.isMonitored" -}}
{{- $wanted := toString .enabled }}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") (.root.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) }}true{{ end }}
{{- end }}

{{- /* "true" when the gateway gets an HTTPRoute. */}}
{{- define "aifabric.hasRoute" -}}
{{- $wanted := toString .Values.gateway.httpRoute.enabled }}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") (.Capabilities.APIVersions.Has "gateway.networking.k8s.io/v1")) }}true{{ end }}
{{- end }}

{{- /* The API of PodDisruptionBudgets that the cluster knows; empty when none. */}}
{{- define "aifabric.budgetApi" -}}
{{- if .Capabilities.APIVersions.Has "policy/v1" }}policy/v1
{{- else if .Capabilities.APIVersions.Has "policy/v1beta1" }}policy/v1beta1
{{- end }}
{{- end }}

{{- /* "true" where PodDisruptionBudgets can let pods go that are not ready, instead of keeping their node from being drained. */}}
{{- define "aifabric.evictsUnready" -}}
{{- if semverCompare ">=1.27.0-0" .Capabilities.KubeVersion.Version }}true{{ end }}
{{- end }}

{{- /* Constraints that select the component's own pods where they say nothing else. */}}
{{- define "aifabric.topologySpread" -}}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "aifabric.selectorLabels" . | fromYaml)) }}
{{- $constraints := list }}
{{- range (index .root.Values .component).topologySpreadConstraints }}
{{- $constraints = append $constraints (merge (deepCopy .) $selector) }}
{{- end }}
{{- toYaml $constraints }}
{{- end }}

{{- /* Settings by name as environment: (dict "prefix" "Operator" "settings" {}) */}}
{{- define "aifabric.settings" -}}
{{- $prefix := .prefix }}
{{- range $name, $value := .settings }}
- {name: {{ printf "%s__%s" $prefix $name | quote }}, value: {{ include "aifabric.text" $value | quote }}}
{{- end }}
{{- end }}

{{- /* Numbers come as floats: 8388608 must not become 8.388608e+06. */}}
{{- define "aifabric.text" -}}
{{- if kindIs "float64" . }}{{ if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- /* What operator and gateway pods share: (dict "root" $ "component" "operator") */}}
{{- define "aifabric.podScheduling" -}}
{{- $values := index .root.Values .component }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- include "aifabric.topologySpread" . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* `from` of a NetworkPolicy's rule; everyone in the cluster when nothing is named. */}}
{{- define "aifabric.policyFrom" -}}
from:
  {{- toYaml (. | default (list (dict "namespaceSelector" dict))) | nindent 2 }}
{{- end }}

{{- /* "sqlite" or "dapr", by what keeps asynchronous runs; empty when nothing does. */}}
{{- define "aifabric.runsStore" -}}
{{- $runs := .Values.gateway.runs }}
{{- if and $runs.claimName $runs.dapr.stateStore }}
{{- fail "gateway.runs.claimName and gateway.runs.dapr.stateStore exclude each other: runs are kept in one place" }}
{{- end }}
{{- if and $runs.claimName (gt (int .Values.gateway.replicas) 1) }}
{{- fail "gateway.runs.claimName: SQLite must not be shared by replicas; set gateway.replicas=1, or gateway.runs.dapr.stateStore instead" }}
{{- end }}
{{- if and $runs.dapr.pubSub (not (or $runs.claimName $runs.dapr.stateStore)) }}
{{- fail "gateway.runs.dapr.pubSub needs runs to tell of: set gateway.runs.dapr.stateStore or gateway.runs.claimName" }}
{{- end }}
{{- if $runs.claimName }}sqlite{{ else if $runs.dapr.stateStore }}dapr{{ end }}
{{- end }}

{{- /* Variables by which programs of OpenTelemetry find their collector, name to value. */}}
{{- define "aifabric.tracing" -}}
{{- with .Values.monitoring.tracing }}
{{- if .endpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ .endpoint | quote }}
OTEL_EXPORTER_OTLP_PROTOCOL: {{ .protocol | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Annotations of gateway pods: Dapr's where it is used, with the user's own over them. */}}
{{- define "aifabric.gatewayAnnotations" -}}
{{- $dapr := .Values.gateway.runs.dapr }}
{{- $annotations := dict }}
{{- if or $dapr.stateStore $dapr.pubSub }}
{{- $annotations = dict "dapr.io/enabled" "true" "dapr.io/app-id" ($dapr.appId | default (printf "%s-gateway" (include "aifabric.fullname" .))) }}
{{- end }}
{{- with mergeOverwrite $annotations .Values.gateway.podAnnotations }}{{ toYaml . }}{{ end }}
{{- end }}

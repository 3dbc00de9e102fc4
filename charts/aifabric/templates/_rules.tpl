{{- /* Each rule is what the code calls; a test compares the list with the API server's audit log. */}}

{{- define "aifabric.operatorRules" -}}
# Caches.
- apiGroups: [aifabric.io]
  resources: [coservedmodels, adapters, finetunejobs, pipelines]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# Readiness gates of worker pods.
- apiGroups: [""]
  resources: [pods/status]
  verbs: [patch]
# Finalizers, and the note of what a job was accepted with; read anew before a finalizer is taken off.
- apiGroups: [aifabric.io]
  resources: [adapters, finetunejobs]
  verbs: [get, patch]
# A finished job's adapter.
- apiGroups: [aifabric.io]
  resources: [adapters]
  verbs: [create]
# A job whose time to live is over{{ if .Values.gateway.files.claimName }}; one that a client of the gateway asks for{{ end }}.
- apiGroups: [aifabric.io]
  resources: [finetunejobs]
  verbs: [{{ if .Values.gateway.files.claimName }}create, {{ end }}delete]
- apiGroups: [aifabric.io]
  resources: [coservedmodels/status, adapters/status, finetunejobs/status, pipelines/status]
  verbs: [patch]
# Owner references that block deletion ask for it where OwnerReferencesPermissionEnforcement is on (OpenShift).
- apiGroups: [aifabric.io]
  resources: [coservedmodels/finalizers, pipelines/finalizers]
  verbs: [update]
# Server-side apply: patch, and create for what is not there yet.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [list, watch, create, patch, delete] # Deleted when a pipeline has the stage no more.
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch, create, patch]
# Disruption budgets of models, where the cluster has policy/v1.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch, delete]
# The control token of each model, one Secret at a time by name: never listed or watched.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- if include "aifabric.hasWebhooks" . }}
# The operator's certificate authority goes into these two alone.
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingwebhookconfigurations, mutatingwebhookconfigurations]
  resourceNames: [{{ include "aifabric.clusterName" . }}]
  verbs: [get, patch]
{{- end }}
{{- end }}

{{- define "aifabric.gatewayRules" -}}
- apiGroups: [aifabric.io]
  resources: [coservedmodels, adapters, pipelines{{ if .Values.gateway.files.claimName }}, finetunejobs{{ end }}]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end }}

{{- /* What is needed in the release's namespace alone. */}}
{{- define "aifabric.ownNamespaceRoles" -}}
{{- $components := list "operator" }}
{{- if .Values.gateway.requireApiKeys }}{{ $components = append $components "gateway" }}{{ end }}
{{- range $component := $components }}
{{- $root := dict "root" $ "component" $component }}
{{- $name := printf "%s-%s-own" (include "aifabric.fullname" $) $component }}
{{- $metadata := include "aifabric.metadata" (merge (dict "name" $name) $root) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- $metadata | nindent 2 }}
rules:
  {{- include (printf "aifabric.%sOwnRules" $component) $ | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- $metadata | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects:
  - {kind: ServiceAccount, name: {{ include "aifabric.serviceAccountName" $root }}, namespace: {{ $.Release.Namespace }}}
{{- end }}
{{- end }}

{{- define "aifabric.operatorOwnRules" -}}
# Leader election. A create cannot be bound to a name.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [aifabric-operator]
  verbs: [get, update]
{{- if include "aifabric.hasWebhooks" . }}
# The webhooks' certificate; to get and create Secrets is allowed above.
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "aifabric.fullname" . }}-webhooks]
  verbs: [update]
{{- end }}
{{- end }}

{{- define "aifabric.gatewayOwnRules" -}}
# API keys: Secrets of this namespace by label, which rules cannot tell.
- apiGroups: [""]
  resources: [secrets]
  verbs: [list, watch]
{{- end }}

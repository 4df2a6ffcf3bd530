{{/* What the operator may do where it watches. */}}
{{- define "mcptasks.operatorRules" -}}
- apiGroups: [mcptasks.dev]
  resources: [mcptasks]
  verbs: [get, list, watch, delete]
- apiGroups: [mcptasks.dev]
  resources: [mcptasks/status]
  verbs: [patch]
# An owner reference that blocks the owner's deletion needs this where OwnerReferencesPermissionEnforcement is on.
- apiGroups: [mcptasks.dev]
  resources: [mcptasks/finalizers]
  verbs: [update]
- apiGroups: [mcptasks.dev]
  resources: [mcptasktemplates]
  verbs: [get, list, watch]
- apiGroups: [mcptasks.dev]
  resources: [mcptasktemplates/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [create, get, list, watch, patch, delete]
# Workers (executor: Warm), and the Jobs of the tasks that they run, which no Job controller finishes.
- apiGroups: [batch]
  resources: [jobs/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [create, get, list, watch, patch, delete]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create, list]
{{- end }}

{{/* What the gateway may do in watched namespaces other than the release's. */}}
{{- define "mcptasks.gatewayRules" -}}
- apiGroups: [mcptasks.dev]
  resources: [mcptasks]
  verbs: [get]
- apiGroups: [mcptasks.dev]
  resources: [mcptasks/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get]
{{- end }}

{{/* What the dashboard may do where it watches, for viewers who may do it themselves. */}}
{{- define "mcptasks.dashboardRules" -}}
- apiGroups: [mcptasks.dev]
  resources: [mcptasks]
  verbs: [create, get, list, watch, patch]
- apiGroups: [mcptasks.dev]
  resources: [mcptasks/status]
  verbs: [patch]
- apiGroups: [mcptasks.dev]
  resources: [mcptasktemplates]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [list]
{{- end }}

{{/* A RoleBinding. Arguments: root, component, name, namespace, account, kind (of the role). */}}
{{- define "mcptasks.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "mcptasks.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ include "mcptasks.namespace" .root }}
{{- end }}

{{/* A ClusterRoleBinding. Arguments: root, component, name, account. */}}
{{- define "mcptasks.clusterBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  {{- include "mcptasks.metadata" (merge (dict "cluster" true) .) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ include "mcptasks.namespace" .root }}
{{- end }}

{{/* The names of the enabled templates and their values, as JSON: what one does not say is taken from `default`. */}}
{{- define "mcptasks.taskTemplates" -}}
{{- $default := .Values.taskTemplates.default -}}
{{- $result := dict -}}
{{- range $name, $own := .Values.taskTemplates -}}
{{- $whole := $own -}}
{{- if ne $name "default" -}}
{{- $whole = include "mcptasks.keyByKey" (dict "under" $default "over" $own) | fromJson -}}
{{- if not (hasKey $own "enabled") -}}{{- $_ := set $whole "enabled" true -}}{{- end -}}
{{- if and (eq $whole.executor "Warm") (not (hasKey $own "queueName")) -}}{{- $_ := set $whole "queueName" "" -}}{{- end -}}
{{- if and (eq $whole.executor "Job") (not (hasKey $own "warm")) -}}{{- $_ := set $whole "warm" dict -}}{{- end -}}
{{- end -}}
{{- if $whole.enabled -}}{{- $_ := set $result $name $whole -}}{{- end -}}
{{- end -}}
{{- toJson $result -}}
{{- end }}

{{/* One object laid over another, as JSON: objects key by key at any depth, everything else as a whole, and null takes a
key away. sprig's own `merge` takes false, 0 and "" for values that are not there. Arguments: under, over. */}}
{{- define "mcptasks.keyByKey" -}}
{{- $whole := deepCopy .under -}}
{{- range $key, $value := .over -}}
{{- $below := index $whole $key -}}
{{- if and (kindIs "invalid" $value) (hasKey $whole $key) -}}{{- $_ := unset $whole $key -}}
{{- else if and (kindIs "map" $value) (kindIs "map" $below) -}}
{{- $_ := set $whole $key (include "mcptasks.keyByKey" (dict "under" $below "over" $value) | fromJson) -}}
{{- else -}}{{- $_ := set $whole $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $whole -}}
{{- end }}

{{/* Refuses what the API server would not take of a template with workers. Arguments: values. */}}
{{- define "mcptasks.checkWorkers" -}}
{{- with .values -}}
{{- if and .warm (ne .executor "Warm") -}}{{- fail "taskTemplates: warm is for templates with executor: Warm" -}}{{- end -}}
{{- if and .queueName (eq .executor "Warm") -}}{{- fail "taskTemplates: queueName is for templates with executor: Job" -}}{{- end -}}
{{- $warm := .warm | default dict -}}
{{- if gt (int64 (dig "minWorkers" 1 $warm)) (int64 (dig "maxWorkers" 10 $warm)) -}}
{{- fail "taskTemplates: warm.minWorkers must not be above warm.maxWorkers" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The spec of a McpTaskTemplate. Arguments: root, values. */}}
{{- define "mcptasks.taskTemplateSpec" -}}
{{- $root := .root -}}
{{- include "mcptasks.checkWorkers" . -}}
{{- $inline := ne $root.Values.server.inlineModule "" -}}
{{- $gateway := dict "name" "MCPTASKS_GATEWAY_URL" "value" (include "mcptasks.gatewayUrl" $root) -}}
{{- with .values -}}
startDeadlineSeconds: {{ int64 .startDeadlineSeconds }}
timeoutSeconds: {{ int64 .timeoutSeconds }}
disruptionPolicy: {{ .disruptionPolicy }}
{{- with .queueName }}
queueName: {{ . }}
{{- end }}
executor: {{ .executor }}
{{- with .warm }}
warm:
  {{- range $key, $value := . }}
  {{ $key }}: {{ int64 $value }}
  {{- end }}
{{- end }}
{{- with .retention }}
retention:
  {{- range $key, $value := . }}
  {{ $key }}: {{ int64 $value }}
  {{- end }}
{{- end }}
userId: {{ .userId | default $root.Values.userId }}
podTemplate:
  {{- $annotations := deepCopy (.podAnnotations | default dict) }}
  {{- /* Workers have loaded the module: another one needs others. */}}
  {{- if and $inline (eq .executor "Warm") }}{{- $_ := set $annotations "checksum/module" ($root.Values.server.inlineModule | sha256sum) }}{{- end }}
  {{- if or .podLabels $annotations }}
  metadata:
    {{- with .podLabels }}
    labels:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $annotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  {{- end }}
  spec:
    serviceAccountName: {{ .serviceAccountName | default (include "mcptasks.runnerAccount" $root) }}
    automountServiceAccountToken: false
    terminationGracePeriodSeconds: {{ int64 .terminationGracePeriodSeconds }}
    {{- include "mcptasks.imagePullSecrets" $root | nindent 4 }}
    {{- with .podSecurityContext }}
    securityContext:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .runtimeClassName }}
    runtimeClassName: {{ . }}
    {{- end }}
    {{- include "mcptasks.podPlacement" (dict "root" $root "component" "task" "values" (omit . "topologySpreadConstraints")) | nindent 4 }}
    {{- with .topologySpreadConstraints }}
    topologySpreadConstraints:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .extraInitContainers }}
    initContainers:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    containers:
      - name: runner
        image: {{ .image | default (include "mcptasks.serverImage" $root) }}
        imagePullPolicy: {{ include "mcptasks.serverPullPolicy" $root }}
        env:
          {{- $given := dict }}
          {{- range .env }}{{- $_ := set $given .name true }}{{- end }}
          {{- $env := ternary .env (prepend .env $gateway) (hasKey $given "MCPTASKS_GATEWAY_URL") }}
          {{- if $root.Values.tracing.tasks }}
          {{- range include "mcptasks.tracingEnv" $root | fromYamlArray }}
          {{- if not (hasKey $given .name) }}{{- $env = append $env . }}{{- end }}
          {{- end }}
          {{- end }}
          {{- /* A worker loads the module before any task can say which. */}}
          {{- if and (eq .executor "Warm") (not (hasKey $given "MCPTASKS_MODULE")) }}
          {{- $env = prepend $env (dict "name" "MCPTASKS_MODULE" "value" (include "mcptasks.module" $root)) }}
          {{- end }}
          {{- toYaml $env | nindent 10 }}
        {{- with .envFrom }}
        envFrom:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        resources:
          {{- toYaml .resources | nindent 10 }}
        {{- with .securityContext }}
        securityContext:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        {{- if or $inline .volumeMounts }}
        volumeMounts:
          {{- if $inline }}
          {{- include "mcptasks.moduleMount" $root | nindent 10 }}
          {{- end }}
          {{- with .volumeMounts }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
        {{- end }}
    {{- if or $inline .volumes }}
    volumes:
      {{- if $inline }}
      {{- include "mcptasks.moduleVolume" $root | nindent 6 }}
      {{- end }}
      {{- with .volumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
{{- end }}
{{- end }}

{{/* The names of the enabled templates and their values, as JSON: what one does not say is taken from `default`. */}}
{{- define "mcptasks.taskTemplates" -}}
{{- $default := include "mcptasks.keyByKey" (dict "under" dict "over" .Values.taskTemplates.default) | fromJson -}}
{{- $result := dict -}}
{{- range $name, $own := .Values.taskTemplates -}}
{{- $under := ternary dict $default (eq $name "default") -}}
{{- $whole := include "mcptasks.keyByKey" (dict "under" $under "over" $own) | fromJson -}}
{{- if not $whole.executor -}}{{- $_ := set $whole "executor" "Job" -}}{{- end -}}
{{- include "mcptasks.checkUser" (dict "root" $ "name" $name "under" $under "own" $own "whole" $whole) -}}
{{- if ne $name "default" -}}
{{- if kindIs "invalid" $own.enabled -}}{{- $_ := set $whole "enabled" true -}}{{- end -}}
{{- if and (eq $whole.executor "Warm") (not (hasKey $own "queueName")) -}}{{- $_ := set $whole "queueName" "" -}}{{- end -}}
{{- if and (eq $whole.executor "Job") (not (hasKey $own "warm")) -}}{{- $_ := set $whole "warm" dict -}}{{- end -}}
{{- end -}}
{{- if $whole.enabled -}}{{- $_ := set $result $name $whole -}}{{- end -}}
{{- end -}}
{{- toJson $result -}}
{{- end }}

{{/* Refuses a user id of null, which would mean that of the platform until the next `kubectl apply` takes it away.
Arguments: root, name, under (what the template takes over), own, whole (its values, alone and laid over). */}}
{{- define "mcptasks.checkUser" -}}
{{- $context := .own.podSecurityContext | default dict -}}
{{- if and (hasKey $context "runAsUser") (not (hasKey (.under.podSecurityContext | default dict) "runAsUser")) -}}
{{- if and (kindIs "invalid" $context.runAsUser) (ne (.whole.userId | default .root.Values.userId) "Platform") -}}
{{- $path := printf "taskTemplates.%s" .name -}}
{{- fail (printf "%s.podSecurityContext.runAsUser is null, where there is nothing to take away: set %s.userId to Platform, which leaves the user to the cluster" $path $path) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* One object laid over another, as JSON: objects key by key at any depth, everything else as a whole, and null takes a
key away, so that none is null in the end. sprig's own `merge` takes false, 0 and "" for values that are not there.
Arguments: under, over. */}}
{{- define "mcptasks.keyByKey" -}}
{{- $whole := deepCopy .under -}}
{{- range $key, $value := .over -}}
{{- $below := index $whole $key -}}
{{- if kindIs "invalid" $value -}}{{- $_ := unset $whole $key -}}
{{- else if kindIs "map" $value -}}
{{- $under := ternary $below dict (kindIs "map" $below) -}}
{{- $_ := set $whole $key (include "mcptasks.keyByKey" (dict "under" $under "over" $value) | fromJson) -}}
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
{{- with .startDeadlineSeconds -}}
startDeadlineSeconds: {{ int64 . }}
{{- end }}
{{- with .timeoutSeconds }}
timeoutSeconds: {{ int64 . }}
{{- end }}
{{- with .disruptionPolicy }}
disruptionPolicy: {{ . }}
{{- end }}
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
    {{- if hasKey . "terminationGracePeriodSeconds" }}
    terminationGracePeriodSeconds: {{ int64 .terminationGracePeriodSeconds }}
    {{- end }}
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
          {{- $env := .env | default list }}
          {{- range $env }}{{- $_ := set $given .name true }}{{- end }}
          {{- if not (hasKey $given "MCPTASKS_GATEWAY_URL") }}{{- $env = prepend $env $gateway }}{{- end }}
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
          {{- toYaml (.resources | default dict) | nindent 10 }}
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

{{/* Names */}}
{{- define "mcptasks.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* Short enough for the longest suffix within 63 characters. */}}
{{- define "mcptasks.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "mcptasks.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "mcptasks.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end }}

{{/* Prefix of what has no namespace: unique in the cluster, because no namespace's name has a dot. */}}
{{- define "mcptasks.clusterName" -}}
{{- printf "%s.%s" (include "mcptasks.namespace" .) (include "mcptasks.fullname" .) -}}
{{- end }}

{{/* The name of a component's ServiceAccount. Arguments: root, account (its values), suffix. */}}
{{- define "mcptasks.serviceAccountName" -}}
{{- $made := printf "%s-%s" (include "mcptasks.fullname" .root) .suffix -}}
{{- .account.name | default (ternary $made "default" .account.create) -}}
{{- end }}

{{- define "mcptasks.serverAccount" -}}
{{- include "mcptasks.serviceAccountName" (dict "root" . "account" .Values.server.serviceAccount "suffix" "server") -}}
{{- end }}

{{- define "mcptasks.operatorAccount" -}}
{{- include "mcptasks.serviceAccountName" (dict "root" . "account" .Values.operator.serviceAccount "suffix" "operator") -}}
{{- end }}

{{- define "mcptasks.dashboardAccount" -}}
{{- include "mcptasks.serviceAccountName" (dict "root" . "account" .Values.dashboard.serviceAccount "suffix" "dashboard") -}}
{{- end }}

{{- define "mcptasks.runnerAccount" -}}
{{- include "mcptasks.serviceAccountName" (dict "root" . "account" .Values.tasks.serviceAccount "suffix" "runner") -}}
{{- end }}

{{/* The security context of a Pod that is ours, as YAML: without user and group where `userId` leaves them to the
platform. Arguments: root, context. */}}
{{- define "mcptasks.podSecurityContext" -}}
{{- toYaml (ternary (omit .context "runAsUser" "runAsGroup") .context (eq .root.Values.userId "Platform")) -}}
{{- end }}

{{/* Labels. Arguments: root, component. */}}
{{- define "mcptasks.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mcptasks.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "mcptasks.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "mcptasks.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: mcptasks
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The metadata of an object. Arguments: root, name, component; optional namespace, labels, annotations, cluster (true: no
namespace). */}}
{{- define "mcptasks.metadata" -}}
{{- $annotations := merge (dict) (.annotations | default dict) .root.Values.commonAnnotations -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ .namespace | default (include "mcptasks.namespace" .root) }}
{{- end }}
labels:
  {{- include "mcptasks.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Not empty where Helm itself installs: only then has `lookup` a cluster to look into. The Secrets of the release's
namespace are what Helm can read in any case, because it keeps its releases there. */}}
{{- define "mcptasks.helmInstalls" -}}
{{- if lookup "v1" "Secret" .Release.Namespace "" -}}true{{- end -}}
{{- end }}

{{/* Refuses a tag that names whatever was built last: the Pods of one release would run different code. Arguments: tag,
digest, path (of the value). */}}
{{- define "mcptasks.checkTag" -}}
{{- $branches := "main|mainline|master|trunk|head|tip|devel|develop|development" -}}
{{- $channels := "alpha|beta|rc|preview|experimental|edge|nightly|daily|weekly|canary|snapshot|rolling|next|current|newest" -}}
{{- $stages := "stable|unstable|lts|testing|staging|prod|production|release" -}}
{{- $variants := "alpine|slim|debian|bookworm|bullseye|trixie|ubuntu|jammy|noble|cpu|gpu|cuda|rocm|amd64|arm64|x86_64|aarch64|rootless" -}}
{{- $floats := printf "^(?i:latest([-._].*)?|(%s|%s|%s)([-._](%s))*|alpine|slim)$" $branches $channels $stages $variants -}}
{{- if and (not .digest) (regexMatch $floats .tag) -}}
{{- fail (printf "%s: the tag %q names whatever was built last; set a tag that stays, such as a version, or a digest" .path .tag) -}}
{{- end -}}
{{- end }}

{{/* The same for an image as one string. Arguments: image, path (of the value). */}}
{{- define "mcptasks.checkImage" -}}
{{- if not (regexMatch "@sha256:[0-9a-f]{64}$" .image) -}}
{{- $parts := splitList ":" (last (splitList "/" .image)) -}}
{{- if contains "@" .image -}}
{{- fail (printf "%s: %q has a digest that is none: write @sha256: and 64 hexadecimal digits" .path .image) -}}
{{- end -}}
{{- if or (eq (len $parts) 1) (eq (last $parts) "") -}}
{{- fail (printf "%s: %q has no tag and no digest, which means `latest`: whatever was built last; add one" .path .image) -}}
{{- end -}}
{{- include "mcptasks.checkTag" (dict "tag" (last $parts) "digest" "" "path" .path) -}}
{{- end -}}
{{- end }}

{{/* Images. Arguments: root, image, path (of the value). */}}
{{- define "mcptasks.imageRef" -}}
{{- include "mcptasks.checkTag" (dict "tag" .image.tag "digest" .image.digest "path" (printf "%s.tag" .path)) -}}
{{- $registry := .image.registry | default .root.Values.global.imageRegistry -}}
{{- $name := ternary (printf "%s/%s" $registry .image.repository) .image.repository (ne $registry "") -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{- define "mcptasks.operatorImage" -}}
{{- include "mcptasks.imageRef" (dict "root" . "image" .Values.image "path" "image") -}}
{{- end }}

{{- define "mcptasks.serverImage" -}}
{{- $own := .Values.server.image -}}
{{- if $own.repository -}}
{{- if not (or $own.tag $own.digest) -}}
{{- fail "server.image.repository is set: set server.image.tag or server.image.digest too" -}}
{{- end -}}
{{- include "mcptasks.imageRef" (dict "root" . "image" $own "path" "server.image") -}}
{{- else -}}
{{- $image := deepCopy .Values.image -}}
{{- if and $own.tag (not $own.digest) -}}{{- $_ := set $image "digest" "" -}}{{- end -}}
{{- range $key, $value := $own -}}
{{- if $value -}}{{- $_ := set $image $key $value -}}{{- end -}}
{{- end -}}
{{- include "mcptasks.imageRef" (dict "root" . "image" $image "path" (ternary "server.image" "image" (ne $own.tag ""))) -}}
{{- end -}}
{{- end }}

{{- define "mcptasks.serverPullPolicy" -}}
{{- .Values.server.image.pullPolicy | default .Values.image.pullPolicy -}}
{{- end }}

{{- define "mcptasks.imagePullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ kindIs "string" . | ternary . (get (kindIs "map" . | ternary . dict) "name") }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The user's server */}}
{{- define "mcptasks.module" -}}
{{- if and .Values.server.module .Values.server.inlineModule -}}
{{- fail "server.module and server.inlineModule are both set: set one of them" -}}
{{- end -}}
{{- if .Values.server.inlineModule -}}
/etc/mcptasks/module/server.py
{{- else -}}
{{- .Values.server.module | default "mcptasks.examples.stdlib_report" -}}
{{- end -}}
{{- end }}

{{- define "mcptasks.isSample" -}}
{{- if not (or .Values.server.module .Values.server.inlineModule) -}}true{{- end -}}
{{- end }}

{{- define "mcptasks.cancelledCalls" -}}
{{- include "mcptasks.fullname" . -}}-cancelled-calls
{{- end }}

{{- define "mcptasks.moduleName" -}}
{{- include "mcptasks.fullname" . -}}-module
{{- end }}

{{/* As a file, not as a folder: a folder's files are links to a path that is another one in every Pod. */}}
{{- define "mcptasks.moduleMount" -}}
- name: module
  mountPath: /etc/mcptasks/module/server.py
  subPath: server.py
  readOnly: true
{{- end }}

{{- define "mcptasks.moduleVolume" -}}
- name: module
  configMap:
    name: {{ include "mcptasks.moduleName" . }}
{{- end }}

{{/* Addresses */}}
{{- define "mcptasks.gatewayUrl" -}}
{{- printf "http://%s-gateway.%s.svc:%d" (include "mcptasks.fullname" .) (include "mcptasks.namespace" .) (int .Values.server.gateway.port) -}}
{{- end }}

{{- define "mcptasks.endpointUrl" -}}
{{- printf "http://%s.%s.svc:%d" (include "mcptasks.fullname" .) (include "mcptasks.namespace" .) (int .Values.server.service.port) -}}
{{- end }}

{{/* The Host headers that the server allows. Its `*.` is one label, as in an Ingress; a wildcard of the Gateway API is
any number of labels, the server's `**.`. */}}
{{- define "mcptasks.allowedHosts" -}}
{{- $name := include "mcptasks.fullname" . -}}
{{- $namespace := include "mcptasks.namespace" . -}}
{{- $service := list $name (printf "%s.%s" $name $namespace) (printf "%s.%s.svc" $name $namespace) (printf "%s.%s.svc.%s" $name $namespace .Values.clusterDomain) -}}
{{- $ingress := ternary .Values.ingress.hosts (list) .Values.ingress.enabled -}}
{{- $route := list -}}
{{- range ternary .Values.httpRoute.hostnames (list) .Values.httpRoute.enabled -}}
{{- $route = append $route (regexReplaceAll "^\\*\\." . "**.") -}}
{{- end -}}
{{- concat $service $ingress $route .Values.server.allowedHosts | uniq | join "," -}}
{{- end }}

{{- define "mcptasks.dashboardHosts" -}}
{{- $name := printf "%s-dashboard" (include "mcptasks.fullname" .) -}}
{{- $namespace := include "mcptasks.namespace" . -}}
{{- $service := list $name (printf "%s.%s" $name $namespace) (printf "%s.%s.svc" $name $namespace) (printf "%s.%s.svc.%s" $name $namespace .Values.clusterDomain) -}}
{{- concat $service .Values.dashboard.allowedHosts | uniq | join "," -}}
{{- end }}

{{/* Namespaces */}}
{{- define "mcptasks.watchesAll" -}}
{{- if has "*" .Values.watchNamespaces -}}
{{- if and .Values.rbac.create (ne .Values.rbac.scope "cluster") -}}
{{- fail "watchNamespaces has \"*\": watching all namespaces needs rbac.scope=cluster" -}}
{{- end -}}
true
{{- end -}}
{{- end }}

{{/* The watched namespaces as a JSON list under `items`; the release's own is always one of them. */}}
{{- define "mcptasks.namespaces" -}}
{{- if include "mcptasks.watchesAll" . -}}
{{- dict "items" (list "*") | toJson -}}
{{- else -}}
{{- dict "items" (prepend .Values.watchNamespaces (include "mcptasks.namespace" .) | uniq) | toJson -}}
{{- end -}}
{{- end }}

{{- define "mcptasks.otherNamespaces" -}}
{{- $items := (include "mcptasks.namespaces" . | fromJson).items -}}
{{- if gt (len $items) 1 -}}true{{- else if has "*" $items -}}true{{- end -}}
{{- end }}

{{/* A number as its digits: large ones arrive as floats. */}}
{{- define "mcptasks.scalar" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}{{- int64 . -}}{{- else -}}{{- toString . -}}{{- end -}}
{{- end }}

{{/* Environment variables: own ones, then the settings, then extra ones; later ones replace earlier ones of the same
name. Arguments: root, own (list), extra (list). */}}
{{- define "mcptasks.env" -}}
{{- $entries := .own -}}
{{- range $name, $value := .root.Values.settings -}}
{{- $entries = append $entries (dict "name" (printf "MCPTASKS_%s" $name) "value" (include "mcptasks.scalar" $value)) -}}
{{- end -}}
{{- $entries = concat $entries .extra -}}
{{- $last := dict -}}
{{- range $index, $entry := $entries -}}{{- $_ := set $last $entry.name $index -}}{{- end -}}
{{- range $index, $entry := $entries -}}
{{- if eq (get $last $entry.name) $index }}
- {{ toYaml $entry | nindent 2 | trim }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Spread constraints with the Pods' own labels filled in. Arguments: root, component, constraints. */}}
{{- define "mcptasks.spread" -}}
{{- $labels := include "mcptasks.selectorLabels" . | fromYaml -}}
{{- $result := list -}}
{{- range .constraints -}}
{{- $result = append $result (ternary . (merge (dict "labelSelector" (dict "matchLabels" $labels)) .) (hasKey . "labelSelector")) -}}
{{- end -}}
{{- toYaml $result -}}
{{- end }}

{{/* Fields of a Pod's spec that the chart fills in, as a YAML list; those with a value of the same name are others. */}}
{{- define "mcptasks.podFields" -}}
[automountServiceAccountToken, containers, enableServiceLinks, imagePullSecrets, initContainers, securityContext, serviceAccount,
serviceAccountName, volumes]
{{- end }}

{{/* Where Pods run, and further fields of their spec. Arguments: root, component, values. */}}
{{- define "mcptasks.podPlacement" -}}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- include "mcptasks.spread" (dict "root" .root "component" .component "constraints" .values.topologySpreadConstraints) | nindent 2 }}
{{- end }}
{{- with .values.extraPodSpec }}
{{- range $field := keys . }}
{{- if or (has $field (include "mcptasks.podFields" $ | fromYamlArray)) (hasKey $.values $field) }}
{{- fail (printf "extraPodSpec has %s: that field has a value of its own" $field) }}
{{- end }}
{{- end }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The variables of the metrics' port, as a YAML list. */}}
{{- define "mcptasks.metricsEnv" -}}
{{- if .Values.metrics.enabled -}}
- name: MCPTASKS_METRICS_HOST
  value: {{ .Values.bindAddress | quote }}
- name: MCPTASKS_METRICS_PORT
  value: {{ .Values.metrics.port | toString | quote }}
{{- else -}}
[]
{{- end -}}
{{- end }}

{{/* The variables by which a component sends its spans, as a YAML list. */}}
{{- define "mcptasks.tracingEnv" -}}
{{- with .Values.tracing -}}
{{- if .endpoint -}}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
{{- with .sampler }}
- name: OTEL_TRACES_SAMPLER
  value: {{ . | quote }}
{{- end }}
{{- with .samplerArgument }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ . | quote }}
{{- end }}
{{- if .headers.existingSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ .headers.existingSecret }}
      key: {{ .headers.existingSecretKey }}
{{- end }}
{{- else -}}
[]
{{- end -}}
{{- end -}}
{{- end }}

{{/* The egress rule to the collector, as a YAML list: empty where none is needed. */}}
{{- define "mcptasks.tracingEgress" -}}
{{- with .Values.tracing -}}
{{- if and .endpoint .to -}}
{{- $address := urlParse .endpoint -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $address.host) | default (ternary "443" "80" (eq $address.scheme "https")) -}}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    - port: {{ int $port }}
      protocol: TCP
{{- else -}}
[]
{{- end -}}
{{- end -}}
{{- end }}

{{/* Authentication: `true` where callers need a token. */}}
{{- define "mcptasks.authenticates" -}}
{{- $auth := .Values.server.auth -}}
{{- if or $auth.issuer $auth.tokens.existingSecret -}}true{{- end -}}
{{- end }}

{{/* Where clients without a token learn who the issuer is (RFC 9728). */}}
{{- define "mcptasks.metadataPath" -}}
/.well-known/oauth-protected-resource
{{- end }}

{{- define "mcptasks.tokensPath" -}}
/etc/mcptasks/tokens
{{- end }}

{{/* The server's variables for authentication, as a YAML list. */}}
{{- define "mcptasks.authEnv" -}}
{{- $auth := .Values.server.auth -}}
{{- if $auth.issuer -}}
{{- if not (and $auth.audience $auth.jwksUrl) -}}
{{- fail "server.auth.issuer is set: set server.auth.audience and server.auth.jwksUrl too" -}}
{{- end -}}
{{- else if or $auth.audience $auth.jwksUrl $auth.resourceUrl -}}
{{- fail "server.auth has settings for the tokens of an issuer: set server.auth.issuer too" -}}
{{- end -}}
{{- if and $auth.requiredScopes (not (include "mcptasks.authenticates" .)) -}}
{{- fail "server.auth.requiredScopes is set: set server.auth.issuer or server.auth.tokens.existingSecret too" -}}
{{- end -}}
{{- $variables := dict
  "AUTH_ISSUER" $auth.issuer
  "AUTH_AUDIENCE" (join "," $auth.audience)
  "AUTH_JWKS_URL" $auth.jwksUrl
  "AUTH_REQUIRED_SCOPES" (join "," $auth.requiredScopes)
  "AUTH_RESOURCE_URL" $auth.resourceUrl
  "AUTH_SUBJECT_CLAIM" (ternary $auth.subjectClaim "" (ne $auth.issuer ""))
  "AUTH_TOKENS" (ternary (include "mcptasks.tokensPath" .) "" (ne $auth.tokens.existingSecret "")) -}}
{{- $entries := list -}}
{{- range $name, $value := $variables -}}
{{- if $value -}}
{{- $entries = append $entries (dict "name" (printf "MCPTASKS_%s" $name) "value" $value) -}}
{{- end -}}
{{- end -}}
{{- toYaml $entries -}}
{{- end }}

{{/* Redis */}}
{{- define "mcptasks.redisName" -}}
{{- include "mcptasks.fullname" . -}}-redis
{{- end }}

{{/* The operator's variables for Redis, as a YAML list; nothing where it keeps no logs there. */}}
{{- define "mcptasks.operatorRedisEnv" -}}
{{- if and (include "mcptasks.keepsLogs" .) (or .Values.server.enabled .Values.externalRedis.existingSecret) -}}
{{- include "mcptasks.redisEnv" . -}}
{{- end -}}
{{- end }}

{{/* Whether logs are kept in Redis, if there is one; empty where they are not. */}}
{{- define "mcptasks.keepsLogs" -}}
{{- if ne (dig "MAX_LOG_BYTES" 1 .Values.settings | int64) 0 -}}yes{{- end -}}
{{- end }}

{{/* The server's variables for Redis, as a YAML list; nothing where there is none. */}}
{{- define "mcptasks.redisEnv" -}}
{{- $external := .Values.externalRedis -}}
{{- if and .Values.redis.enabled (or $external.url $external.existingSecret) -}}
{{- fail "redis.enabled and externalRedis are both set: use one of them" -}}
{{- end -}}
{{- if and $external.url $external.existingSecret -}}
{{- fail "externalRedis.url and externalRedis.existingSecret are both set: set one of them" -}}
{{- end -}}
{{- if or $external.url $external.existingSecret }}
- name: MCPTASKS_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ $external.existingSecret | default (include "mcptasks.redisName" .) }}
      key: {{ ternary $external.existingSecretKey "redis-url" (ne $external.existingSecret "") }}
{{- else if .Values.redis.enabled }}
{{- if .Values.redis.existingSecret }}
{{- include "mcptasks.redisPassword" . }}
- name: MCPTASKS_REDIS_URL
  value: redis://:$(REDIS_PASSWORD)@{{ include "mcptasks.redisName" . }}:6379/0
{{- else }}
- name: MCPTASKS_REDIS_URL
  value: redis://{{ include "mcptasks.redisName" . }}:6379/0
{{- end }}
{{- end }}
{{- end }}

{{- define "mcptasks.redisPassword" }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.redis.existingSecret }}
      key: {{ .Values.redis.existingSecretKey }}
{{- end }}

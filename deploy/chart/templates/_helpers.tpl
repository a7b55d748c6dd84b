{{/* Labels of an object of Konductor; the context is a list of the root and the component's name. */}}
{{- define "konductor.labels" -}}
{{ include "konductor.selector" . }}
app.kubernetes.io/part-of: konductor
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
{{- end }}

{{/* Labels that select the pods of a component, and never change. */}}
{{- define "konductor.selector" -}}
app.kubernetes.io/name: konductor
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Metadata of an object in the release's namespace: the root, the component, the object's name. */}}
{{- define "konductor.metadata" -}}
name: {{ index . 2 }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "konductor.labels" . | nindent 2 }}
{{- end }}

{{/* Metadata of an object of the whole cluster: the same. */}}
{{- define "konductor.clusterMetadata" -}}
name: {{ index . 2 }}
labels:
  {{- include "konductor.labels" . | nindent 2 }}
{{- end }}

{{/* Metadata of a component's pods: the root, the component, its values. */}}
{{- define "konductor.podMetadata" -}}
labels:
  {{- include "konductor.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: konductor
  {{- with (index . 2).podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with (index . 2).podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* An image of Konductor: the root, and its name. */}}
{{- define "konductor.image" -}}
{{ index . 1 }}:{{ (index . 0).Values.image.tag | default (index . 0).Chart.AppVersion }}
{{- end }}

{{/* What all pods of a component say about where they run: the root, its values. */}}
{{- define "konductor.placement" -}}
{{- with (index . 0).Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with (index . 0).Values.priorityClass.name }}
priorityClassName: {{ . }}
{{- end }}
{{- with (index . 1).nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (index . 1).tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (index . 1).affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Replicas on different nodes, and in different zones, where there are such: the root, the component. */}}
{{- define "konductor.spread" -}}
topologySpreadConstraints:
  {{- range tuple "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "konductor.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}

{{/* The pod's part of the restricted standard; the context is the user's id. */}}
{{- define "konductor.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ . }}
  runAsGroup: {{ . }}
  fsGroup: {{ . }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{/* The container's part of it. */}}
{{- define "konductor.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* The variables that tell the controller where Redis is, and who it is there. */}}
{{- define "konductor.redisEnv" -}}
{{- $secret := .Values.redis.tls.secretName }}
{{- if .Values.redis.enabled }}
- name: KONDUCTOR_REDIS_URL
  value: {{ ternary "rediss" "redis" (not (empty $secret)) }}://konductor-redis.{{ .Release.Namespace }}.svc:6379/0
- name: KONDUCTOR_REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.redis.passwordSecret }}
      key: password
{{- else }}
{{- $secret = required "externalRedis.secretName is empty: with redis.enabled=false, name the Secret that has the redis-url of your own Redis" .Values.externalRedis.secretName }}
- name: KONDUCTOR_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: redis-url
{{- end }}
{{- with $secret }}
- name: KONDUCTOR_REDIS_CA
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: ca.crt
      optional: true
{{- end }}
{{- if include "konductor.clientCertificate" . }}
- name: KONDUCTOR_REDIS_CERT_FILE
  value: /etc/konductor/redis/tls.crt
- name: KONDUCTOR_REDIS_KEY_FILE
  value: /etc/konductor/redis/tls.key
{{- end }}
{{- end }}

{{/* The Secret with which the controller shows Redis who it is; empty without one. */}}
{{- define "konductor.clientCertificate" -}}
{{- if and (not .Values.redis.enabled) .Values.externalRedis.clientCertificate -}}
{{ .Values.externalRedis.secretName }}
{{- end }}
{{- end }}

{{/* Egress to DNS and to the API server, whose address no selector can name. */}}
{{- define "konductor.egress" -}}
- to:
    - namespaceSelector: {}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - port: {{ . }}
    {{- end }}
{{- end }}

{{/* The resources of all kinds, as the definitions' files are called: `barriers, semaphores`. */}}
{{- define "konductor.kinds" -}}
{{- $names := list }}
{{- range $path, $_ := .Files.Glob "files/crds/*.yaml" }}
{{- $names = append $names (base $path | trimSuffix ".yaml") }}
{{- end }}
{{- join ", " $names }}
{{- end }}

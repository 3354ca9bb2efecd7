{{/* Fixed: the webhook configurations are the cluster's, so there is one installation a cluster. */}}
{{- define "udplb.name" -}}
udplb
{{- end -}}

{{- define "udplb.selectorLabels" -}}
app.kubernetes.io/name: {{ include "udplb.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "udplb.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "udplb.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* One of our images, by digest where it is known: include "udplb.image" (list $ "udp-healthcheck") */}}
{{- define "udplb.image" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $image := $root.Values.image -}}
{{- with get $image.digests $name -}}
{{ $image.registry }}/{{ $name }}@{{ . }}
{{- else -}}
{{ $image.registry }}/{{ $name }}:{{ $root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The reference that is injected. Our own pods run the same one first. */}}
{{- define "udplb.sidecarImage" -}}
{{- .Values.sidecar.image | default (include "udplb.image" (list . "udp-healthcheck")) -}}
{{- end -}}

{{/* The settings file: values that the program reads under the same names. */}}
{{- define "udplb.settings" -}}
{{- $settings := dict -}}
{{- range list "port" "opsPort" "drainSeconds" "logLevel" "owner" "autoMode" "crossZone" "healthcheck" "ruleSeverity" "ipFamily" "lbc" "injection" "rbac" "sidecar" -}}
{{- $_ := set $settings . (get $.Values .) -}}
{{- end -}}
{{- $_ := set $settings "tls" (dict "mode" .Values.tls.mode "namespace" .Release.Namespace) -}}
{{- $sidecar := merge (dict "image" (include "udplb.sidecarImage" .)) .Values.sidecar -}}
{{- toYaml (set $settings "sidecar" $sidecar) -}}
{{- end -}}

{{- define "udplb.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

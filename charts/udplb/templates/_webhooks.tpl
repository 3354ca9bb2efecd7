{{/*
What the webhook entries share. Every CEL expression must be total: an error counts like an unreachable
webhook, so under failurePolicy Fail it would refuse the request, a controller's finalizer included.
Hence `?` in front of every optional field.
*/}}

{{/* Where the API server calls: include "udplb.clientConfig" (list $ "/mutate/pods") */}}
{{- define "udplb.clientConfig" -}}
{{- $root := index . 0 -}}
{{- $path := index . 1 -}}
{{- with $root.Values.webhook.url -}}
url: {{ trimSuffix "/" . }}{{ $path }}
{{- else -}}
service:
  namespace: {{ $root.Release.Namespace }}
  name: {{ include "udplb.name" $root }}
  path: {{ $path }}
  port: 443
{{- end }}
{{- with include "udplb.caBundle" $root }}
caBundle: {{ . }}
{{- end }}
{{- end -}}

{{/* Rendered where nobody else writes it: `self` patches it in the cluster, cert-manager injects it. */}}
{{- define "udplb.caBundle" -}}
{{- if or .Values.webhook.url (eq .Values.tls.mode "existingSecret") -}}
{{ .Values.tls.caBundle | b64enc }}
{{- end -}}
{{- end -}}

{{/* What cert-manager finds our certificate's authority by. */}}
{{- define "udplb.caInjection" -}}
{{- if and (not .Values.webhook.url) (eq .Values.tls.mode "certManager") }}
  annotations:
    cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "udplb.name" . }}
{{- end }}
{{- end -}}

{{/*
Opted-in namespaces, by the failure policy of the entry: include "udplb.namespaceSelector" (list $ "Fail").
Audit promises that nothing is refused, so an entry that fails closed leaves audited namespaces out.
*/}}
{{- define "udplb.namespaceSelector" -}}
{{- $root := index . 0 -}}
{{- $failurePolicy := index . 1 -}}
matchExpressions:
  - key: udplb/inject
    operator: In
    values: {{ eq $failurePolicy "Fail" | ternary (list "enabled") (list "enabled" "audit") | toJson }}
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ include "udplb.excludedNamespaces" $root }}
{{- end -}}

{{/* Never ours, labelled or not, and no value on purpose: kube-system, and where our own pods run. */}}
{{- define "udplb.excludedNamespaces" -}}
{{- if .Values.webhook.url -}}
["kube-system"]
{{- else -}}
{{ list "kube-system" .Release.Namespace | uniq | toJson }}
{{- end -}}
{{- end -}}

{{/* All pods but those labelled udplb/inject: "false". */}}
{{- define "udplb.podSelector" -}}
matchExpressions:
  - key: udplb/inject
    operator: NotIn
    values: ["false"]
{{- end -}}

{{/* oldObject too: an update that turns a load balancer into something else is judged. It is null on CREATE. */}}
{{- define "udplb.cel.udpLoadBalancer" -}}
[object, oldObject].exists(service, service != null
&& service.?spec.?type.orValue('') == 'LoadBalancer'
&& service.?spec.?ports.orValue([]).exists(port, port.?protocol.orValue('TCP') == 'UDP'))
{{- end -}}

{{/* The break-glass: works while the webhook is down. */}}
{{- define "udplb.cel.notOptedOut" -}}
object.?metadata.?annotations[?'udplb/inject'].orValue('') != 'false'
{{- end -}}

{{/*
A manifest without a class goes on being applied after the Service has left our care, and the API server
refuses an update that drops the class which we gave.
*/}}
{{- define "udplb.cel.dropsOurClass" -}}
request.operation == 'UPDATE' && oldObject.?spec.?loadBalancerClass.orValue('')
in {{ list .Values.lbc.loadBalancerClass "eks.amazonaws.com/nlb" | uniq | toJson | replace "\"" "'" }}
&& object.?spec.?loadBalancerClass.orValue('') == ''
&& object.?spec.?type.orValue('') == 'LoadBalancer'
{{- end -}}

{{- define "udplb.conditions.changed" -}}
# Finalizers, owners and managed fields pass without us, and everything once deletion has begun. The old
# object tells that: a client's PUT may omit the deletionTimestamp, the API server fills it in after us.
- name: changed
  expression: >-
    request.operation == 'CREATE'
    || (!oldObject.?metadata.?deletionTimestamp.hasValue()
    && (object.?spec != oldObject.?spec
    || object.?metadata.?labels != oldObject.?metadata.?labels
    || object.?metadata.?annotations != oldObject.?metadata.?annotations))
{{- end -}}

{{- define "udplb.conditions.notMirrorPod" -}}
# The kubelet's copy of a static pod: nobody can change it.
- name: not-mirror-pod
  expression: "!('kubernetes.io/config.mirror' in object.?metadata.?annotations.orValue({}))"
{{- end -}}

{{- define "udplb.conditions.ours" -}}
- name: carries-our-annotations
  expression: object.?metadata.?annotations.orValue({}).exists(key, key.startsWith('udplb/'))
{{- end -}}

{{/* Of a Service that is changed: include "udplb.conditions.mutatedService" . */}}
{{- define "udplb.conditions.mutatedService" -}}
{{ include "udplb.conditions.changed" . }}
- name: udp-load-balancer-or-its-class
  expression: >-
    ({{ include "udplb.cel.udpLoadBalancer" . | nindent 4 | trim }}
    && {{ include "udplb.cel.notOptedOut" . }})
    || ({{ include "udplb.cel.dropsOurClass" . | nindent 4 | trim }})
{{- end -}}

{{/* Of a Service that is judged: include "udplb.conditions.judgedService" . */}}
{{- define "udplb.conditions.judgedService" -}}
{{ include "udplb.conditions.changed" . }}
- name: udp-load-balancer
  expression: >-
    {{- include "udplb.cel.udpLoadBalancer" . | nindent 4 }}
- name: not-opted-out
  expression: {{ include "udplb.cel.notOptedOut" . }}
{{- end -}}

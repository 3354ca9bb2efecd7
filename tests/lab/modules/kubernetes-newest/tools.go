//go:build tools

// Package tools pins the newest Kubernetes, which `make test-all` asks too.
package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)

//go:build tools

// Package tools pins the programs of the test control plane.
package tools

import _ "helm.sh/helm/v4/cmd/helm"

//go:build tools

// Package tools keeps kind among the module's requirements.
package tools

import _ "sigs.k8s.io/kind"

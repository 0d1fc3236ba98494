//go:build tools

// Package tools keeps cosign among the module's requirements.
package tools

import _ "github.com/sigstore/cosign/v2/cmd/cosign"

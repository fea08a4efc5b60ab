//go:build tools

// Package opentofu pins the module that `tofu` is built from.
package opentofu

import _ "github.com/opentofu/opentofu/cmd/tofu"

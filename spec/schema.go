package spec

import _ "embed" // for the schemas

// Module is the path of this module, the one place that names it besides go.mod.
const Module = "github.com/composeos/compose"

//go:generate go run ./internal/generate

//go:embed schema.json
var schema string

//go:embed package.json
var packageSchema string

// Schema returns the JSON Schema (2020-12) of manifests. It is generated from
// the structs of this package. It cannot say all that [Parse] checks: what it
// accepts may still be refused, never the reverse.
func Schema() []byte {
	return []byte(schema)
}

// PackageSchema returns the JSON Schema (2020-12) of package sources, made as
// [Schema] is.
func PackageSchema() []byte {
	return []byte(packageSchema)
}

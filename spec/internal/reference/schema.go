package reference

import (
	"maps"
	"reflect"
	"strconv"
	"strings"

	"github.com/composeos/compose/spec"
)

// Where the schemas say that they are.
const (
	ID        = "https://" + spec.Module + "/spec/schema.json"
	PackageID = "https://" + spec.Module + "/spec/package.json"
)

// object is a part of a JSON Schema.
type object = map[string]any

// Schema returns the JSON Schema (2020-12) of manifests. dir is the folder of
// package spec's sources.
func Schema(dir string) ([]byte, error) {
	return document(dir, reflect.TypeFor[spec.Manifest](), object{"$id": ID, "title": "compose manifest", "minProperties": 1})
}

// PackageSchema returns the JSON Schema (2020-12) of package sources, as Schema does.
func PackageSchema(dir string) ([]byte, error) {
	return document(dir, reflect.TypeFor[spec.Package](), object{"$id": PackageID, "title": "compose package source"})
}

// document returns the schema of files that are read into t, with what about says.
func document(dir string, t reflect.Type, about object) ([]byte, error) {
	d, err := readDocs(dir)
	if err != nil {
		return nil, err
	}
	g := generator{docs: d, defs: object{}}
	root := g.structure(t)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$defs"] = g.defs
	maps.Copy(root, about)
	return spec.MarshalCanonical(root)
}

type generator struct {
	docs docs
	defs object // by the name of the type
}

// structure returns the schema of a mapping with the keys of a struct.
func (g generator) structure(t reflect.Type) object {
	properties := object{}
	var required []string
	for _, k := range g.docs.keys(t) {
		s := g.property(k)
		if k.doc != "" {
			s["description"] = k.doc
		}
		properties[k.name] = s
		if k.lower {
			low := maps.Clone(s)
			low["deprecated"] = true
			properties[strings.ToLower(k.name)] = low
		}
		if k.required {
			required = append(required, k.name)
		}
	}
	out := object{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		out["required"] = required
	}
	switch t {
	case reflect.TypeFor[spec.File]():
		out["oneOf"] = []object{
			kind("contents", nil),
			kind("source", object{"minLength": 1}),
			kind("symlink", object{"minLength": 1}),
			kind("directory", object{"const": true}),
			kind("metadata", nil),
		}
	case reflect.TypeFor[spec.Authority]():
		out["oneOf"] = []object{kind("key", nil), kind("keyless", nil)}
	case reflect.TypeFor[spec.Step]():
		out["oneOf"] = []object{kind("concat", nil), kind("kernel", nil), kind("microcode", nil)}
	case reflect.TypeFor[spec.PackageFile]():
		out["oneOf"] = []object{
			kind("contents", nil),
			kind("source", object{"minLength": 1}),
			kind("from", object{"minLength": 1}),
			kind("symlink", object{"minLength": 1}),
			kind("directory", object{"const": true}),
		}
	}
	return out
}

// kind is one of the keys of which a mapping has exactly one.
func kind(name string, value object) object {
	out := object{"required": []string{name}}
	if value != nil {
		out["properties"] = object{name: value}
	}
	return out
}

// property returns the schema of a key's value.
func (g generator) property(k key) object {
	t := k.goType
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[spec.Trust]() {
		texts := object{"type": "array", "items": object{"type": "string"}}
		legacy := object{
			"type": "object", "additionalProperties": false, "minProperties": 1,
			"deprecated": true, "properties": object{"image": texts, "org": texts},
		}
		return object{"anyOf": []object{g.reference(t), legacy}}
	}
	switch t.Kind() {
	case reflect.Slice:
		return object{"type": "array", "items": g.property(key{goType: t.Elem(), check: k.check, required: true})}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": g.property(key{goType: t.Elem()})}
	case reflect.Struct:
		if s := special(t); s != nil {
			return s
		}
		return g.reference(t)
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return text(k)
	}
	return whole(t, k.check)
}

// reference makes the definition of a struct, once, and refers to it.
func (g generator) reference(t reflect.Type) object {
	if _, made := g.defs[t.Name()]; !made {
		g.defs[t.Name()] = true // a type that refers to itself must not be made twice
		g.defs[t.Name()] = g.structure(t)
	}
	return object{"$ref": "#/$defs/" + t.Name()}
}

// special returns the schema of types with a notation of their own.
func special(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[spec.Ref](), reflect.TypeFor[spec.InitImage]():
		return object{"type": "string", "minLength": 1}
	case reflect.TypeFor[spec.Mode]():
		return object{"type": "string", "pattern": "^(0o)?[0-7]{1,5}$"}
	case reflect.TypeFor[spec.ID]():
		const highest = 1<<32 - 2
		return object{"anyOf": []object{
			{"type": "integer", "minimum": 0, "maximum": highest},
			{"type": "string", "pattern": namePattern},
		}}
	}
	return nil
}

const namePattern = "^[a-z0-9_-]+$"

// text returns the schema of a text. One that is not required may be empty,
// which is as if it was not given.
func text(k key) object {
	checkName, arg, _ := strings.Cut(k.check, "=")
	words := strings.Split(arg, "|")
	if !k.required {
		words = append(words, "")
	}
	out := object{"type": "string"}
	if k.required && checkName == "" && k.name != "" {
		out["minLength"] = 1
	}
	switch checkName {
	case "enum":
		out["enum"] = words
	case "namespace":
		out["anyOf"] = []object{{"enum": append(words, "root")}, {"pattern": "^/"}}
	case "capability":
		known := append(spec.Capabilities(), spec.AllCapabilities, spec.NoCapabilities)
		out["anyOf"] = []object{{"enum": known}, {"pattern": "^(?:[Aa][Ll][Ll]|[Nn][Oo][Nn][Ee])$"}}
	case "inside":
		out["not"] = object{"pattern": `(?:^|/)\.\.(?:/|$)`}
	case "name":
		const longest = 128
		out["pattern"], out["maxLength"] = namePattern, longest
	default:
		if p := pattern(checkName); p != "" && k.required {
			out["pattern"] = p
		} else if p != "" {
			out["pattern"] = "^$|" + p
		}
	}
	return out
}

// pattern returns the regular expression of a check, "" where it has none. It
// takes all that the check takes.
func pattern(check string) string {
	switch check {
	case "abspath":
		return "^/"
	case "bind":
		return "^(?:/[^:]*|[a-z0-9_-]+):/[^:]*(?::[^:]+)?$"
	case "debname":
		return `^[a-z0-9{][a-z0-9+.{}-]+(?: \[(?:amd64|arm64)\])?$`
	case "devicepath":
		return "^/|^all$"
	case "digest":
		return "^sha256:[0-9a-f]{64}$"
	case "env":
		return "^[^=]+="
	case "identity", "images":
		return `^\S(?:.*\S)?$`
	case "issuer":
		return "^[Hh][Tt][Tt][Pp][Ss]?://[^/]"
	case "linkname":
		return "^[^/]+$"
	case "platform":
		return "^[^/]+(?:/[^/]+){0,2}$"
	case "predicate":
		return `^[A-Za-z][A-Za-z0-9+.-]*:\S*$`
	case "repository":
		return "^[a-z0-9]+(?:[/._-]+[a-z0-9]+)*$"
	case "rlimit":
		return "^[^,]+,[^,]+,[^,]+$"
	case "suite":
		return "^[a-z][a-z0-9-]*$"
	case "title":
		return "^[!-,.-~](?:[ -~]{0,58}[!-~])?$"
	case "tmpfs":
		return "^/[^:]*(?::[^:]+)?$"
	case "toolchain":
		return `^go1\.[0-9]+\.[0-9]+$`
	}
	return ""
}

// whole returns the schema of a whole number of a type, with its range.
func whole(t reflect.Type, check string) object {
	out := object{"type": "integer"}
	bits := t.Bits()
	switch t.Kind() {
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		out["minimum"], out["maximum"] = 0, ^uint64(0)>>(64-bits)
	default:
		out["minimum"], out["maximum"] = int64(-1)<<(bits-1), int64(1)<<(bits-1)-1
	}
	if arg, ok := strings.CutPrefix(check, "range="); ok {
		low, high := between(arg)
		out["minimum"], out["maximum"] = low, high
	}
	return out
}

// between reads low..high; the tags of package spec are right.
func between(arg string) (low, high int64) {
	from, to, _ := strings.Cut(arg, "..")
	low, _ = strconv.ParseInt(from, 10, 64)
	high, _ = strconv.ParseInt(to, 10, 64)
	return low, high
}

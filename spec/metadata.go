package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"gopkg.in/yaml.v3"
)

// JSON returns the manifest as a file of the metadata json holds it: what was
// given, with references in their canonical spelling, as [MarshalCanonical]
// writes it. [Parse] reads it back, local references relative to where it is.
func (m *Manifest) JSON() ([]byte, error) {
	return MarshalCanonical(m)
}

// YAML returns the same as JSON does in YAML, with sorted keys: what a file of
// the metadata yaml holds.
func (m *Manifest) YAML() ([]byte, error) {
	data, err := m.JSON()
	if err != nil {
		return nil, err
	}
	n, err := readJSON(data, false)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(plain(n)); err != nil {
		return nil, fmt.Errorf("write the manifest as YAML: %w", err)
	}
	return b.Bytes(), nil
}

// plain returns what a node of JSON stands for as maps, lists and scalars.
func plain(n *yaml.Node) any {
	switch {
	case n.Kind == yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1])
		}
		return m
	case n.Kind == yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = plain(item)
		}
		return list
	case n.Tag == tagBool:
		return n.Value == "true"
	case n.Tag == tagInt:
		if u, err := strconv.ParseUint(n.Value, 10, 64); err == nil {
			return u
		}
		i, _ := strconv.ParseInt(n.Value, 10, 64) // a manifest has no larger numbers
		return i
	}
	return n.Value
}

// MarshalText returns String.
func (r Ref) MarshalText() ([]byte, error) {
	return []byte(r.String()), nil
}

// MarshalText returns the image's reference.
func (i InitImage) MarshalText() ([]byte, error) {
	return i.Image.MarshalText()
}

// MarshalText returns the octal digits.
func (m Mode) MarshalText() ([]byte, error) {
	return []byte(m.String()), nil
}

// MarshalJSON returns the name as a text, or the number.
func (id ID) MarshalJSON() ([]byte, error) {
	if id.Name != "" {
		return json.Marshal(id.Name)
	}
	return strconv.AppendUint(nil, uint64(id.Number), 10), nil
}

package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"

	"gopkg.in/yaml.v3"
)

// JSON returns the manifest as a file of the metadata json holds it: what was
// given, with references in their canonical spelling, as [MarshalCanonical]
// writes it. [Parse] reads it back, local references relative to where it is.
func (m *Manifest) JSON() ([]byte, error) {
	return MarshalCanonical(m)
}

// YAML returns the same as JSON does in YAML, with keys in the same order: what a
// file of the metadata yaml holds. Every reader, of YAML 1.1 or 1.2, takes its
// texts for these texts: what could be a number, a date or another word of YAML
// to one of them is in double quotes.
func (m *Manifest) YAML() ([]byte, error) {
	data, err := m.JSON()
	if err != nil {
		return nil, err
	}
	n, err := readJSON(data, false)
	if err != nil {
		return nil, err
	}
	styleTexts(n)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return nil, fmt.Errorf("write the manifest as YAML: %w", err)
	}
	return b.Bytes(), nil
}

// styleTexts says of each text below n how it is written.
func styleTexts(n *yaml.Node) {
	for i, c := range n.Content {
		styleTexts(c)
		if isKey := n.Kind == yaml.MappingNode && i%2 == 0; c.Kind == yaml.ScalarNode && c.Tag == tagStr {
			c.Style = textStyle(c.Value, isKey)
		}
	}
}

var (
	// plainText is what no reader takes for anything but a text, unless it is a yamlWord.
	plainText = regexp.MustCompile(`^-{0,2}[A-Za-z/](?:[ :]?[A-Za-z0-9_./@+=,;()^~$%-])*$`)
	// blockText is what reads back from a literal block: not with a space in front,
	// where writers and readers disagree on the indentation, nor with what is a
	// line break to some of them only.
	blockText = regexp.MustCompile(`^[^\s\x{85}\x{2028}\x{2029}][^\x{85}\x{2028}\x{2029}]*\n[^\x{85}\x{2028}\x{2029}]*$`)
	// yamlWord is a truth value or null to some readers.
	yamlWord = regexp.MustCompile(`^(?i:null|true|false|yes|no|on|off|y|n)$`)
)

// textStyle returns how a text is written: plainly, or its lines as a block, where
// every reader agrees on that, and else in double quotes.
func textStyle(s string, isKey bool) yaml.Style {
	switch {
	case plainText.MatchString(s) && !yamlWord.MatchString(s):
		return 0
	case !isKey && blockText.MatchString(s):
		return yaml.LiteralStyle
	}
	return yaml.DoubleQuotedStyle
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

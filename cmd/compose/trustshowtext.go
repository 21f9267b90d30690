package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/composeos/compose/spec"
)

// text is the view as people read it.
func (v *trustView) text() string {
	var b strings.Builder
	if v.Section == "" {
		b.WriteString("there is no policy: an image is only taken that is accepted unsigned by its name\n")
	} else {
		fmt.Fprintf(&b, "policy %s, %s; an image that no policy covers: %s\n", v.Section, short(string(v.Policy)), v.Default)
	}
	if v.Lock != nil && v.Lock.Policy != v.Policy {
		fmt.Fprintf(&b, "%s was made with %s: each build holds its images against this policy\n", v.Lock.Path, otherPolicy(v.Lock.Policy))
	}
	if len(v.Images) > 0 {
		writeTable(&b, "", v.imageRows())
	}
	v.writeRefused(&b)
	writeTable(&b, "authorities", v.authorityRows())
	var exceptions, denied [][]string
	for _, e := range v.Exceptions {
		exceptions = append(exceptions, []string{e.At, e.Image, printable(e.Reason)})
	}
	for _, d := range v.Denied {
		denied = append(denied, []string{d.At, d.Kind, printable(d.Name)})
	}
	writeTable(&b, "taken without a signature", exceptions)
	writeTable(&b, "denied", denied)
	return b.String()
}

func otherPolicy(d spec.Digest) string {
	if d == "" {
		return "no policy"
	}
	return "another policy, " + short(string(d))
}

// writeTable writes rows with aligned columns, under a title, and nothing where there
// are none.
func writeTable(b *strings.Builder, title string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	b.WriteString("\n")
	indent := ""
	if title != "" {
		b.WriteString(title + "\n")
		indent = "  "
	}
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(t, indent+strings.Join(row, "\t"))
	}
	_ = t.Flush()
	for line := range strings.Lines(table.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
}

// imageRows is a row for each image, and one more for each further thing that is
// demanded of it or was verified.
func (v *trustView) imageRows() [][]string {
	rows := [][]string{{"image", "policy", "needs", "lock"}}
	for _, i := range v.Images {
		policy, needs, lock := i.policyText(), i.needLines(), i.lockLines(v.Lock != nil)
		for n := range max(1, len(needs), len(lock)) {
			row := []string{"", "", lineAt(needs, n), lineAt(lock, n)}
			if n == 0 {
				row[0], row[1] = shortName(i.Name), policy
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// shortName is a reference with its digest cut short.
func shortName(name string) string {
	bare, digest, found := strings.Cut(name, "@")
	if !found {
		return name
	}
	return bare + "@" + short(digest)
}

func lineAt(lines []string, n int) string {
	if n < len(lines) {
		return lines[n]
	}
	return ""
}

func (i *imageView) policyText() string {
	switch {
	case i.source:
		return "trusted as source"
	case i.Excepted != "":
		return "exception " + i.Excepted
	case i.Policy != nil:
		return i.Policy.At + " " + i.Policy.Match
	}
	return "none"
}

func (i *imageView) needLines() []string {
	var lines []string
	for _, n := range i.Needs {
		who := strings.Join(n.AnyOf, " or ")
		if n.Type == spec.SignatureType {
			lines = append(lines, fmt.Sprintf("signature by %s (%s)", who, strings.Join(n.Formats, ", ")))
		} else {
			lines = append(lines, fmt.Sprintf("%s by %s", n.Type, who))
		}
	}
	return lines
}

func (i *imageView) lockLines(locked bool) []string {
	var lines []string
	switch {
	case i.Refused != "":
		lines = append(lines, "refused, see below")
	case !locked:
		lines = append(lines, "no lock")
	case i.Digest == "":
		lines = append(lines, "not pinned")
	case i.source:
		lines = append(lines, "recorded")
	}
	switch i.Unsigned {
	case spec.Accepted:
		lines = append(lines, "accepted unsigned")
	case spec.Excepted:
		lines = append(lines, "unsigned: an exception")
	case spec.Allowed:
		lines = append(lines, "unsigned: the default allows it")
	}
	for _, s := range i.Verified {
		lines = append(lines, fmt.Sprintf("%s by %s, evidence %s", statementText(s), s.Authority, short(string(s.Evidence))))
	}
	return lines
}

// statementText says what was verified: the signature, or a statement of a type.
func statementText(s spec.Verified) string {
	if s.Type == spec.SignatureType {
		return s.Format + " signature"
	}
	return s.Type
}

// writeRefused says why images are refused.
func (v *trustView) writeRefused(b *strings.Builder) {
	title := "\nrefused\n"
	for _, i := range v.Images {
		if i.Refused != "" {
			fmt.Fprintf(b, "%s  %s\n", title, strings.ReplaceAll(printableLines(i.Refused), "\n", "\n  "))
			title = ""
		}
	}
}

// printableLines is [printable] of each line.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}

// authorityRows is a row for each key, and several for each identity.
func (v *trustView) authorityRows() [][]string {
	var rows [][]string
	for _, a := range v.Authorities {
		burnt := ""
		if a.Denied {
			burnt = " (denied)"
		}
		if a.Key != "" {
			rows = append(rows, []string{a.Name, "key", string(a.Key) + burnt, a.File})
			continue
		}
		rows = append(rows,
			[]string{a.Name, "identity", printable(a.Identity) + burnt},
			[]string{"", "of", printable(a.Issuer)},
			[]string{"", "root", string(a.TrustedRoot), a.File},
			[]string{"", "needs", fmt.Sprintf("tlog %d, sct %d, timestamps %d", a.Require.Tlog, a.Require.SCT, a.Require.Timestamps)})
	}
	return rows
}

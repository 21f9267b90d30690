package spec

import (
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// blockHeader is the end of a line behind which a block of text begins.
var blockHeader = regexp.MustCompile(`^( *(?:- +)*)[^#]*[:-] +[|>][-+1-9]*[ \t]*$`)

// repairComments reads a file that is no YAML only because a comment that is
// indented less stands between the head of a block of text and the text:
//
//	contents: |
//	# domain example.org
//	  nameserver 192.0.2.1
//
// YAML ends the text at the comment. What is meant is plain, and a manifest of
// linuxkit's own examples has it, so the comment is taken as if it stood above
// the head. The file is tried like that only after it could not be read as it
// is. Nodes have the lines of the file as it is.
func repairComments(name string, data []byte) ([]*yaml.Node, []Error) {
	lines := strings.SplitAfter(string(data), "\n")
	var warnings []Error
	order := make([]int, 0, len(lines)) // of lines of the file as it is, from 1
	for i := 0; i < len(lines); i++ {
		head, n := i+1, commentsBehind(lines, i)
		for range n {
			i++
			order = append(order, i+1)
		}
		order = append(order, head)
		if n == 0 {
			continue
		}
		warnings = append(warnings, Error{
			Pos:  Pos{name, head + 1, 1},
			What: "YAML ends a block of text at a comment that is indented less; it is read as if it stood above the block: move it there",
		})
	}
	if warnings == nil {
		return nil, nil
	}
	var b strings.Builder
	for _, line := range order {
		b.WriteString(lines[line-1])
	}
	docs, err := decodeDocuments([]byte(b.String()))
	if err != nil {
		return nil, nil
	}
	for _, doc := range docs {
		renumber(doc, order)
	}
	return docs, warnings
}

// commentsBehind counts the comments that part the head of a block in line i from its text.
func commentsBehind(lines []string, i int) int {
	m := blockHeader.FindStringSubmatch(strings.TrimRight(lines[i], "\r\n"))
	if m == nil {
		return 0
	}
	n := 0
	for i+1+n < len(lines) && strings.HasPrefix(strings.TrimLeft(lines[i+1+n], " "), "#") && indentOf(lines[i+1+n]) <= len(m[1]) {
		n++
	}
	if i+1+n >= len(lines) || indentOf(lines[i+1+n]) <= len(m[1]) {
		return 0
	}
	return n
}

func indentOf(line string) int {
	return len(line) - len(strings.TrimLeft(line, " "))
}

// renumber gives the nodes the lines of the file as it is.
func renumber(n *yaml.Node, order []int) {
	if n.Line > 0 && n.Line <= len(order) {
		n.Line = order[n.Line-1]
	}
	for _, c := range n.Content {
		renumber(c, order)
	}
}

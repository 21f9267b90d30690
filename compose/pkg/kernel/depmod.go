package kernel

import (
	"fmt"
	"slices"
	"strings"
)

// indexes returns the text files that depmod makes, by name, in the order of
// their names. modules are sorted by path.
func indexes(modules []*module) []index {
	return []index{
		{"modules.alias", aliases(modules)},
		{"modules.dep", dependencies(modules)},
		{"modules.devname", devnames(modules)},
		{"modules.softdep", lines(modules, softHead, func(m *module) []string { return prefixed("softdep "+m.name+" ", "", m.softdeps) })},
		{"modules.symbols", lines(modules, symbolHead, func(m *module) []string {
			return prefixed("alias symbol:", " "+m.name, m.symbols)
		})},
		{"modules.weakdep", lines(modules, weakHead, func(m *module) []string { return prefixed("weakdep "+m.name+" ", "", m.weakdeps) })},
	}
}

// index is a file and its text.
type index struct{ name, text string }

// The first lines of the files, which tell a reader what they are.
const (
	aliasHead  = "# Aliases extracted from modules themselves.\n"
	softHead   = "# Soft dependencies extracted from modules themselves.\n"
	weakHead   = "# Weak dependencies extracted from modules themselves.\n"
	symbolHead = "# Aliases for symbols, used by symbol_request().\n"
	deviceHead = "# Device nodes to trigger on-demand module loading.\n"
)

// aliases are those that the modules name themselves.
func aliases(modules []*module) string {
	return lines(modules, aliasHead, func(m *module) []string { return prefixed("alias ", " "+m.name, m.aliases) })
}

// dependencies is modules.dep: the path of a module, and those of all modules
// that have to be there before it, each behind those that need it. They are loaded
// from the last to the first.
func dependencies(modules []*module) string {
	byName := map[string]*module{}
	for _, m := range modules {
		byName[m.name] = m
	}
	var b strings.Builder
	for _, m := range modules {
		b.WriteString(m.path + ":")
		order := loadOrder(nil, m, byName, map[string]bool{m.name: true})
		for _, needed := range slices.Backward(order) {
			b.WriteString(" " + needed.path)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// loadOrder appends what m needs, in the order of loading.
func loadOrder(order []*module, m *module, byName map[string]*module, seen map[string]bool) []*module {
	for _, name := range m.depends {
		if needed := byName[name]; needed != nil && !seen[name] {
			seen[name] = true
			order = append(loadOrder(order, needed, byName, seen), needed)
		}
	}
	return order
}

// devnames is modules.devname: the device nodes that a module is loaded for when
// somebody opens them. It takes an alias devname: and one of a device number.
func devnames(modules []*module) string {
	return lines(modules, deviceHead, func(m *module) []string {
		var node, device string
		for _, alias := range m.aliases {
			var major, minor uint32
			if name, ok := strings.CutPrefix(alias, "devname:"); ok {
				node = name
			} else if n, _ := fmt.Sscanf(alias, "char-major-%d-%d", &major, &minor); n == 2 {
				device = fmt.Sprintf("c%d:%d", major, minor)
			} else if n, _ := fmt.Sscanf(alias, "block-major-%d-%d", &major, &minor); n == 2 {
				device = fmt.Sprintf("b%d:%d", major, minor)
			}
		}
		if node == "" || device == "" {
			return nil
		}
		return []string{m.name + " " + node + " " + device}
	})
}

// lines is a file of lines that each module says of itself.
func lines(modules []*module, head string, of func(*module) []string) string {
	var b strings.Builder
	b.WriteString(head)
	for _, m := range modules {
		for _, line := range of(m) {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// prefixed returns the values between prefix and suffix.
func prefixed(prefix, suffix string, values []string) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = prefix + v + suffix
	}
	return all
}

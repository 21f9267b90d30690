package spec

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// textCheck is one word of the check tags.
type textCheck struct {
	name  string
	check func(s, arg string) error
}

// textChecks returns what check tags can ask of a text; the generator of the
// schema has a pattern for each.
func textChecks() []textCheck {
	return []textCheck{
		{"abspath", checkAbsPath},
		{"bind", func(s, _ string) error { _, err := ParseBind(s); return err }},
		{"capability", checkCapability},
		{"debname", checkDebName},
		{"devicepath", checkDevicePath},
		{"digest", func(s, _ string) error { _, err := ParseDigest(s); return err }},
		{"enum", checkEnum},
		{"env", checkEnv},
		{"images", checkImages},
		{"identity", checkIdentity},
		{"inside", checkInside},
		{"issuer", checkIssuer},
		{"linkname", checkLinkName},
		{"mirror", func(s, _ string) error { return CheckMirror(s) }},
		{"name", func(s, _ string) error { return checkName(s) }},
		{"namespace", checkNamespace},
		{"platform", func(s, _ string) error { _, err := ParsePlatform(s); return err }},
		{"predicate", checkPredicate},
		{"proxy", checkProxy},
		{"repository", checkRepository},
		{"rlimit", func(s, _ string) error { _, err := ParseRlimit(s); return err }},
		{"suite", checkSuite},
		{"title", checkTitle},
		{"tmpfs", func(s, _ string) error { _, err := ParseTmpfs(s); return err }},
		{"toolchain", checkToolchain},
	}
}

var namePattern = regexp.MustCompile(`^[a-z0-9_-]+$`)

// maxName leaves room for the number before it in the name of a directory.
const maxName = 128

func checkName(s string) error {
	switch {
	case s == "":
		return errors.New("the name is empty")
	case !namePattern.MatchString(s):
		return fmt.Errorf("%q is not a name: want lower-case letters, digits, _ and -", s)
	case len(s) > maxName:
		return fmt.Errorf("the name has %d letters; at most %d can be", len(s), maxName)
	}
	return nil
}

// maxTitle is what fits into a line of any boot menu.
const maxTitle = 60

// checkTitle takes what every boot loader can show: no more than ASCII, and nothing
// that GRUB would take for an option.
func checkTitle(s, _ string) error {
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		return fmt.Errorf("%q: a boot menu shows printable ASCII alone", s)
	}
	if s != strings.TrimSpace(s) || strings.HasPrefix(s, "-") {
		return fmt.Errorf("%q: a title begins and ends with no space, and does not begin with -", s)
	}
	if len(s) > maxTitle {
		return fmt.Errorf("the title has %d letters; at most %d can be", len(s), maxTitle)
	}
	return nil
}

func checkAbsPath(s, _ string) error {
	if !strings.HasPrefix(s, "/") {
		return fmt.Errorf("%q is not an absolute path: it must begin with /", s)
	}
	return nil
}

func checkDevicePath(s, _ string) error {
	if s == allDevices {
		return nil
	}
	return checkAbsPath(s, "")
}

func checkEnum(s, arg string) error {
	words := strings.Split(arg, "|")
	if slices.Contains(words, s) {
		return nil
	}
	if w := Suggest(s, words); w != "" {
		return fmt.Errorf("%q is not one of %s; did you mean %q?", s, strings.Join(words, ", "), w)
	}
	return fmt.Errorf("%q is not one of %s", s, strings.Join(words, ", "))
}

// checkNamespace takes one of the words, or a path. The word root is linuxkit's
// older one for host.
func checkNamespace(s, arg string) error {
	words := strings.Split(arg, "|")
	if strings.HasPrefix(s, "/") || s == rootUser || slices.Contains(words, s) {
		return nil
	}
	return fmt.Errorf("%q is no namespace: want %s or an absolute path%s", s, strings.Join(words, ", "), meant(s, words))
}

// meant is didYouMean without a list of the words.
func meant(s string, words []string) string {
	if w := Suggest(s, words); w != "" {
		return fmt.Sprintf("; did you mean %q?", w)
	}
	return ""
}

func checkEnv(s, _ string) error {
	if name, _, found := strings.Cut(s, "="); !found || name == "" {
		return fmt.Errorf("%q is not an environment variable: want NAME=value", s)
	}
	return nil
}

// checkInside takes a path that stays inside the tree that it is laid out in,
// or looked up in.
func checkInside(s, _ string) error {
	switch {
	case slices.Contains(strings.Split(s, "/"), ".."):
		return fmt.Errorf("%q leads out of its tree: .. is not allowed", s)
	case strings.Trim(s, "/.") == "" && s != "":
		return fmt.Errorf("%q is the root itself; want a path below it", s)
	}
	return nil
}

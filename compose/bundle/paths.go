package bundle

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// pathSet returns the absolute paths of a set, clean and sorted.
func pathSet(key string, given []string) ([]string, error) {
	var set []string
	for _, p := range given {
		if err := checkDestination(p); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		set = append(set, path.Clean(p))
	}
	slices.SortFunc(set, comparePaths)
	return slices.Compact(set), nil
}

// checkDestination tells whether p is a path that stays inside the container
// wherever it is resolved: absolute, and without a step up.
func checkDestination(p string) error {
	if !path.IsAbs(p) {
		return fmt.Errorf("%q is not an absolute path", p)
	}
	return checkSteps(p)
}

// checkSteps refuses what no path of a configuration needs.
func checkSteps(p string) error {
	if slices.Contains(strings.Split(p, "/"), "..") {
		return fmt.Errorf("%q has a step up (..): write the path without", p)
	}
	if strings.ContainsRune(p, 0) {
		return fmt.Errorf("%q has a zero byte, which no path can have", p)
	}
	return nil
}

// comparePaths orders paths so that a directory comes right before all that is
// below it: "/" is lower than any other byte.
func comparePaths(a, b string) int {
	low := func(s string) string { return strings.ReplaceAll(s, "/", "\x00") }
	return strings.Compare(low(a), low(b))
}

// below tells whether a clean absolute path lies below a directory.
func below(p, dir string) bool {
	return dir == "/" || strings.HasPrefix(p, dir+"/")
}

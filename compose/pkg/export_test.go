package pkg

// For tests.
const Encoder = encoder

// Matches tells whether one of the patterns is that of a path.
func Matches(list []string, path string) bool { return parsePatterns(list).match(path) }

package isodisk

import (
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

// module is what writes the structures.
const module = "github.com/diskfs/go-diskfs"

// tried is the release of it whose every byte this package knows.
const tried = "v1.9.4"

// release returns the release of go-diskfs that this program was built with, as its
// build information says it; where that says nothing, as in a test, the folder of the
// sources does. "" is none.
func release() string {
	create := reflect.ValueOf(iso9660.Create).Pointer()
	file, _ := runtime.FuncForPC(create).FileLine(create)
	info, _ := debug.ReadBuildInfo()
	return releaseOf(info, file)
}

// releaseOf is the release that build information names, which may be nil, or else
// the path of a source file.
func releaseOf(info *debug.BuildInfo, file string) string {
	if info != nil {
		for _, m := range info.Deps {
			if m.Path == module && m.Replace != nil {
				return m.Replace.Path + " " + m.Replace.Version
			}
			if m.Path == module {
				return m.Version
			}
		}
	}
	_, at, _ := strings.Cut(file, module+"@")
	version, _, _ := strings.Cut(at, "/")
	return version
}

func checkRelease(release string) error {
	if release == tried {
		return nil
	}
	return fmt.Errorf("%w: this compose was built with %s %q, and knows %s alone: build it with that", ErrEnvelope, module, release, tried)
}

package kernel

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// Decompressors returns what a kernel can unpack an initramfs with, best first, as
// its boot/config-REL says (options CONFIG_RD_*); nothing where the package has no
// such file.
func Decompressors(entries []*rootfs.Entry) ([]string, error) {
	for _, e := range entries {
		if strings.HasPrefix(e.Path, "boot/config-") && e.Type == rootfs.File && e.Body != nil {
			words, err := decompressors(io.NewSectionReader(e.Body, 0, e.Size))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.Path, err)
			}
			return words, nil
		}
	}
	return nil, nil
}

func decompressors(config io.Reader) ([]string, error) {
	set := map[string]bool{}
	lines := bufio.NewScanner(config)
	for lines.Scan() {
		if option, ok := strings.CutPrefix(lines.Text(), "CONFIG_RD_"); ok {
			name, value, _ := strings.Cut(option, "=")
			set[strings.ToLower(name)] = value == "y"
		}
	}
	var words []string
	for _, word := range []string{"zstd", "gzip", "xz", "lz4", "lzo", "lzma", "bzip2"} {
		if set[word] {
			words = append(words, word)
		}
	}
	return words, lines.Err()
}

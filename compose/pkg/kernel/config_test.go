package kernel

import (
	"slices"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
)

func TestDecompressors(t *testing.T) {
	text := "# CONFIG_RD_LZO is not set\nCONFIG_RD_GZIP=y\nCONFIG_RD_XZ=n\nCONFIG_RD_ZSTD=y\nCONFIG_X=\"RD_LZ4=y\"\n"
	config := &rootfs.Entry{Path: "boot/config-6.12", Type: rootfs.File, Size: int64(len(text)), Body: strings.NewReader(text)}
	for _, tt := range []struct {
		name    string
		entries []*rootfs.Entry
		want    []string
	}{
		{"what is built in, best first", []*rootfs.Entry{{Path: "boot", Type: rootfs.Dir}, config}, []string{"zstd", "gzip"}},
		{"no configuration", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decompressors(tt.entries)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

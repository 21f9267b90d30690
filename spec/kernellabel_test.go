package spec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseDecompressors(t *testing.T) {
	kernel, err := ParseRef("linuxkit/kernel:6", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, label string
		want        []string
		fault       string // where want is nil
	}{
		{"one", "gzip", []string{"gzip"}, ""},
		{"best first", "zstd gzip", []string{"zstd", "gzip"}, ""},
		{"the order stays", "gzip zstd", []string{"gzip", "zstd"}, ""},
		{"all that Linux has", "zstd lz4 lzo xz lzma bzip2 gzip", []string{"zstd", "lz4", "lzo", "xz", "lzma", "bzip2", "gzip"}, ""},
		{"empty", "", nil, `it is empty; want words such as "zstd gzip"`},
		{"a space", " ", nil, `" " has a space too many: want one between words`},
		{"a space in front", " gzip", nil, `" gzip" has a space too many: want one between words`},
		{"a space at the end", "gzip ", nil, `"gzip " has a space too many: want one between words`},
		{"two spaces", "zstd  gzip", nil, `"zstd  gzip" has a space too many: want one between words`},
		{"another word", "zstd gzipp", nil, `"gzipp" is not one of gzip, bzip2, lzma, xz, lzo, lz4, zstd; did you mean "gzip"?`},
		{"upper case", "GZIP", nil, `"GZIP" is not one of gzip, bzip2, lzma, xz, lzo, lz4, zstd; did you mean "gzip"?`},
		{"commas", "zstd,gzip", nil, `"zstd,gzip" is not one of gzip, bzip2, lzma, xz, lzo, lz4, zstd`},
		{"a tab", "zstd\tgzip", nil, `"zstd\tgzip" is not one of gzip, bzip2, lzma, xz, lzo, lz4, zstd`},
		{"JSON", `["gzip"]`, nil, `"[\"gzip\"]" is not one of gzip, bzip2, lzma, xz, lzo, lz4, zstd`},
		{"twice", "zstd gzip zstd", nil, `"zstd" is there twice`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseDecompressors(kernel, tt.label)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if tt.want != nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			want := "label org.composeos.kernel.decompressors of docker.io/linuxkit/kernel:6: " + tt.fault
			if err == nil || err.Error() != want {
				t.Errorf("error %v\nwant  %s", err, want)
			}
		})
	}
}

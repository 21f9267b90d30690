package spec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	hexA    = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestA = Digest(digestPrefix + hexA)
	digestB = Digest(digestPrefix + "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

func TestParseRef(t *testing.T) {
	const at = "@" + string(digestA)
	tests := []struct {
		in, str, file string
		want          Ref
	}{
		{in: "busybox", str: "docker.io/library/busybox:latest", want: Ref{Name: "docker.io/library/busybox", Tag: "latest"}},
		{in: "oci", str: "docker.io/library/oci:latest", want: Ref{Name: "docker.io/library/oci", Tag: "latest"}},
		{in: "docker:20.10.6-dind", str: "docker.io/library/docker:20.10.6-dind", want: Ref{Name: "docker.io/library/docker", Tag: "20.10.6-dind"}},
		{in: "a/b:v1", str: "docker.io/a/b:v1", want: Ref{Name: "docker.io/a/b", Tag: "v1"}},
		{in: "docker.io/busybox:1", str: "docker.io/library/busybox:1", want: Ref{Name: "docker.io/library/busybox", Tag: "1"}},
		{in: "index.docker.io/a/b:1", str: "docker.io/a/b:1", want: Ref{Name: "docker.io/a/b", Tag: "1"}},
		{in: "localhost/x", str: "localhost/x:latest", want: Ref{Name: "localhost/x", Tag: "latest"}},
		{in: "localhost:5000/x/y", str: "localhost:5000/x/y:latest", want: Ref{Name: "localhost:5000/x/y", Tag: "latest"}},
		{in: "[::1]:5000/x:t", str: "[::1]:5000/x:t", want: Ref{Name: "[::1]:5000/x", Tag: "t"}},
		{in: "ghcr.io/a/b" + at, str: "ghcr.io/a/b" + at, want: Ref{Name: "ghcr.io/a/b", Digest: digestA}},
		{in: "a/b:v1" + at, str: "docker.io/a/b:v1" + at, want: Ref{Name: "docker.io/a/b", Tag: "v1", Digest: digestA}},
		{in: "a/b_c__d-e--f.g", str: "docker.io/a/b_c__d-e--f.g:latest", want: Ref{Name: "docker.io/a/b_c__d-e--f.g", Tag: "latest"}},
		{in: "oci:images", str: "oci:images", file: "base/images", want: Ref{Transport: OCI, Name: "images", Base: "base"}},
		{in: "oci:./a//b/", str: "oci:a/b", file: "base/a/b", want: Ref{Transport: OCI, Name: "a/b", Base: "base"}},
		{in: "oci:/abs:v1", str: "oci:/abs:v1", file: "/abs", want: Ref{Transport: OCI, Name: "/abs", Tag: "v1", Base: "base"}},
		{in: "oci:../x:docker.io/a/b:v1", str: "oci:../x:docker.io/a/b:v1", file: "x", want: Ref{Transport: OCI, Name: "../x", Tag: "docker.io/a/b:v1", Base: "base"}},
		{in: "oci:a@b" + at, str: "oci:a@b" + at, file: "base/a@b", want: Ref{Transport: OCI, Name: "a@b", Digest: digestA, Base: "base"}},
		{in: "docker-archive:f.tar", str: "docker-archive:f.tar", file: "base/f.tar", want: Ref{Transport: DockerArchive, Name: "f.tar", Base: "base"}},
		{in: "docker-archive:f.tar:anchor/x:v1", str: "docker-archive:f.tar:anchor/x:v1", file: "base/f.tar", want: Ref{Transport: DockerArchive, Name: "f.tar", Tag: "anchor/x:v1", Base: "base"}},
		{in: "pkg:init", str: "pkg:init", file: "base/init", want: Ref{Transport: PackageDir, Name: "init", Base: "base"}},
		{in: "@pkg:./init", str: "pkg:init", file: "base/init", want: Ref{Transport: PackageDir, Name: "init", Base: "base"}},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseRef(tt.in, "base")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got.String() != tt.str || got.File() != tt.file {
				t.Errorf("String %q, File %q; want %q, %q", got.String(), got.File(), tt.str, tt.file)
			}
			if again, err := ParseRef(got.String(), "base"); err != nil || again != got {
				t.Errorf("String does not read back: %+v, %v", again, err)
			}
		})
	}
}

func TestParseRefRefuses(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", "the reference is empty"},
		{" a", "has a space at its beginning or end"},
		{"a b", `"a b" is not part of an image's name`},
		{"a\x00", "control character U+0000"},
		{"a\xff", "is not UTF-8"},
		{"a//b", "one slash too many"},
		{"/a", "one slash too many"},
		{"a/", "one slash too many"},
		{"./a", "a path is written oci:DIR"},
		{"Busybox", `the name "Busybox" must be in lower case: "busybox"`},
		{"a/b:", `"" is not a tag`},
		{"a/b:-x", `"-x" is not a tag`},
		{"a:b:c", `"a:b" is not part of an image's name`},
		{"-.io/a", `"-.io" is not a host`},
		{"ghcr.io", ""},
		{"a@sha256:123", "is not a digest"},
		{"a@sha512:" + hexA + hexA, "is not a digest"},
		{"a@" + strings.ToUpper(string(digestA)), "is not a digest"},
		{"a@" + string(digestA) + "@" + string(digestA), "is not a digest"},
		{"a_-b", `"a_-b" is not part`},
		{strings.Repeat("a/", 150) + "a", "at most 255"},
		{strings.Repeat("a", 5000), "at most 4096"},
		{"https://a/b", "without https://"},
		{"docker://a", "without docker://"},
		{"oci-archive:f.tar", "write oci:FILE"},
		{"docker-daemon:a", "docker save"},
		{"@oci:x", "only pkg: may have an @"},
		{"@x", "want the name of an image, or @pkg:DIR"},
		{"oci:", "the path is missing"},
		{"oci::v1", "the path is missing"},
		{"oci:x:", `"" is not the name of an image in a layout`},
		{"oci:x:v1@" + string(digestA), "by tag or by digest, not by both"},
		{"oci:x@sha256:12", "is not a digest"},
		{"docker-archive:", "the path is missing"},
		{"docker-archive:f:busybox", "want NAME:TAG"},
		{"docker-archive:f:Bad:v1", "want NAME:TAG"},
		{"pkg:", "the path is missing"},
		{"@pkg:", "the path is missing"},
		{"pkg: x", "has a space at its beginning"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			ref, err := ParseRef(tt.in, "")
			if tt.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatalf("accepted as %+v", ref)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
		})
	}
}

func TestZeroRef(t *testing.T) {
	var r Ref
	if !r.IsZero() || r.String() != "" || r.File() != "" {
		t.Errorf("zero Ref: %v %q %q", r.IsZero(), r.String(), r.File())
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{
		"busybox", "a/b:v1", "ghcr.io/a/b@" + string(digestA), "oci:x:v1", "oci:a@b@" + string(digestA),
		"docker-archive:f.tar:a/b:c", "@pkg:x", "[::1]:5/a", "localhost/a", "docker.io/a", "oci:/", "pkg:..",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s, "b")
		if err != nil {
			return
		}
		again, err := ParseRef(r.String(), "b")
		if err != nil || again != r {
			t.Fatalf("%q gives %q, which gives %+v, %v", s, r.String(), again, err)
		}
	})
}

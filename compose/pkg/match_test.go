package pkg_test

import (
	"strings"
	"testing"

	"github.com/composeos/compose/compose/pkg"
)

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, path string
		want          bool
	}{
		{"usr/sbin/nginx", "usr/sbin/nginx", true},
		{"usr/sbin/nginx", "usr/sbin/nginx/x", false},
		{"usr/sbin", "usr/sbin/nginx", false},
		{"usr/lib/*.so", "usr/lib/a.so", true},
		{"usr/lib/*.so", "usr/lib/b/a.so", false},
		{"usr/lib/**/*.so*", "usr/lib/a.so.1", true},
		{"usr/lib/**/*.so*", "usr/lib/b/c/a.so", true},
		{"usr/lib/**/*.so*", "usr/lib/b/c/a.o", false},
		{"etc/nginx/**", "etc/nginx", true},
		{"etc/nginx/**", "etc/nginx/a/b", true},
		{"etc/nginx/**", "etc/nginx2", false},
		{"**", "a/b/c", true},
		{"**/c", "c", true},
		{"**/b/**/c", "a/b/x/y/c", true},
		{"**/**", "a", true},
		{"a/**/b/**/c/d", "a/b/c/b/c/c/d", true},
		{"a/**/b/**/c/d", "a/b/c/b/c/c/e", false},
		{"usr/bin/?sh", "usr/bin/ash", true},
		{"usr/bin/?sh", "usr/bin/sh", false},
		{"usr/bin/[ab]sh", "usr/bin/bsh", true},
	} {
		if got := pkg.Matches([]string{"no/such", tt.pattern}, tt.path); got != tt.want {
			t.Errorf("%s of %s: %v", tt.pattern, tt.path, got)
		}
	}
	if pkg.Matches(nil, "a") {
		t.Error("no pattern takes something")
	}
	slow := strings.Repeat("**/a/", 12) + "b"
	if pkg.Matches([]string{slow}, strings.Repeat("a/", 30)+"a") {
		t.Error("it takes too much")
	}
}

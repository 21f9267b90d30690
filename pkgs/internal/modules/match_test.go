package modules

import (
	"path"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"**", "a/b", true},
		{"a*c", "abbc", true},
		{"a*c", "abbd", false},
		{"a*b*c", "aXbYbZc", true},
		{"a?c", "a/c", true},
		{"a?c", "ac", false},
		{"v[0-9]", "v7", true},
		{"v[0-9]", "vA", false},
		{"v[!0-9]", "vA", true},
		{"v[^0-9]", "v1", false},
		{"v[]]", "v]", true},
		{"v[0-9", "v[0-9", true},
		{"v[a-]", "v-", true},
		{"input:b*v*p*e*-e*1,*k*r*a*m*l*s*f*w*", "input:b0019v0000p0001e0000-e0,1,k74,ramlsfw", true},
		{"usb:v05ACp*d*dc*dsc*dp*ic03isc*ip*in*", "usb:v05ACp0202d0100dc00dsc00dp00ic03isc01ip01in00", true},
	} {
		if got := match(tc.pattern, tc.text); got != tc.want {
			t.Errorf("match(%q, %q) = %v", tc.pattern, tc.text, got)
		}
	}
}

// On what both read alike, path.Match says the same.
func FuzzMatch(f *testing.F) {
	f.Add("pci:v*d[0-9]?", "pci:v1d2x")
	f.Add("*a*b*[!c]", "xaybzd")
	f.Add("[", "[")
	f.Add("[]-a]", "]")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		got := match(pattern, text)
		if strings.ContainsAny(pattern, `\/[]!^-`) || strings.Contains(text, "/") || !ascii(pattern+text) {
			return
		}
		if want, err := path.Match(pattern, text); err == nil && got != want {
			t.Errorf("match(%q, %q) = %v", pattern, text, got)
		}
	})
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7f }) < 0
}

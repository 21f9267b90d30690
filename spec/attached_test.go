package spec_test

import (
	"testing"

	"github.com/composeos/compose/spec"
)

func TestAttachedTags(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	const tag = "sha256-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	if got := spec.ReferrersTag(digest); got != tag {
		t.Errorf("list of referrers: %q, want %q", got, tag)
	}
	if got := spec.LegacyTag(digest); got != tag+".sig" {
		t.Errorf("legacy signatures: %q, want %q", got, tag+".sig")
	}
}

package main

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/pkg/golang"
	"github.com/composeos/compose/outputs"
)

// hint is what to do about a kind of error.
type hint struct {
	is   func(error) bool
	text string
}

// hintOf returns what to do now about err, or "".
func hintOf(err error) string {
	if own := ownHint(err); own != "" {
		return own
	}
	for _, h := range hints() {
		if h.is(err) {
			return h.text
		}
	}
	return ""
}

// lockHint is what pins and unpins.
const lockHint = `run "compose lock" with the same manifests`

// hints returns the table of hints; the first that fits is given.
func hints() []hint {
	return []hint{
		{is[*compose.UnpinnedError], lockHint},
		{is[*compose.UnsignedError], "take it without a signature by its name: -accept-unsigned NAME, or a pattern of names"},
		{is[*compose.PolicyError], "remove the trust section, and say -accept-unsigned NAME when the lock is made"},
		{lacksImage, "import the image first: compose cache import DIR|TAR"},
		{is[*pkg.UnlockedError], `run "compose pkg lock"`},
		{is[*pkg.ArchError], "add the architecture to arches in build.yml, or leave arches out for all"},
		{wraps(image.ErrPlatform), "-arch ARCH builds for another architecture; a volume has platforms of its own"},
		{wraps(outputs.ErrNoKernel), `name a kernel image in the manifest ("kernel: image:"), or write another format: -format tar`},
		{wraps(outputs.ErrNoBootloader), `name its image in the manifest ("bootloader: image:"), or write another format: -format kernel+initrd`},
		{wraps(outputs.ErrMachine), "write another format, such as -format kernel+initrd"},
		{wraps(outputs.ErrCmdline), "change kernel.cmdline; quotes and backslashes go into a -format uki"},
		{wraps(outputs.ErrDecompressor), "leave -compress out, or write -compress none"},
		{wraps(outputs.ErrRepository), "give the files another name with -name"},
		{wraps(outputs.ErrName), "give the files another name with -name"},
		{wraps(outputs.ErrDirectory), "remove it, or write into another directory with -dir DIR"},
		{wraps(debian.ErrNoMirror), "name a mirror of Debian: -mirror URL, or COMPOSE_DEB_MIRROR"},
		{isOffline, `leave -offline out, or name a folder that "compose pkg vendor" filled: -deb-mirror DIR`},
		{wraps(debian.ErrGone), "or name a folder that \"compose pkg vendor\" filled when it was there: -deb-mirror DIR"},
		{wraps(debian.ErrSignature), "name another mirror, -mirror URL, or put the keys of this one's archive into " + pkg.KeyringFile},
		{badMirror, "name another mirror: -mirror URL"},
		{wraps(golang.ErrNoGo), "any release since 1.21 does: it only fetches the one that build.yml names"},
		{wraps(syscall.ENOSPC), "make room, or write to another place: -dir DIR or -o FILE for images, -cache DIR for the cache"},
		{wraps(fs.ErrPermission), "write to another place: -dir DIR or -o FILE for images, -cache DIR for the cache, -lock FILE for the lock"},
	}
}

// is tells whether err is, or wraps, a T.
func is[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

func wraps(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

// isOffline tells whether what a package source is made of would have to be fetched.
func isOffline(err error) bool {
	return errors.Is(err, debian.ErrOffline) || errors.Is(err, golang.ErrOffline)
}

// badMirror tells whether a mirror gave what is not to be taken.
func badMirror(err error) bool {
	for _, target := range []error{debian.ErrExpired, debian.ErrSuite, debian.ErrOlder, debian.ErrDamaged, pkg.ErrDowngrade} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// lacksImage tells whether the cache lacks an image, or a part of one. (A layout
// that lacks a part wraps the same sentinel, but importing it would not help.)
func lacksImage(err error) bool {
	return errors.Is(err, image.ErrNotFound) && strings.Contains(err.Error(), "in the cache")
}

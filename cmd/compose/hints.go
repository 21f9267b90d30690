package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/pkg/golang"
	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/sign"
	"github.com/composeos/compose/compose/trust"
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
		{is[*compose.NotAsLockedError], `take the lock from where it was as it should be, or run "compose lock -update IMAGE", which reads the image again`},
		{is[*trust.UncoveredError], "cover it with a policy (trust: in the manifest, or -trust FILE), or take it unsigned by its name: -accept-unsigned NAME, or a pattern of names"},
		{is[*compose.StaleError], `run "compose lock" with the same manifests: it looks for signatures`},
		{is[*trust.RefusedError], `"compose help trust" says how images are signed, and how one is excepted`},
		{is[*trust.DeniedError], "nothing overrules deny: take another image, or one that somebody else signed"},
		{is[*trust.TieError], "write the match of one of them out further, or leave one of them out"},
		{wraps(sign.ErrPassphrase), "COMPOSE_PASSWORD, where it is set, is taken for the passphrase, and nothing is asked"},
		{lacksImage, "leave -offline out, or import the image first: compose cache import DIR|TAR"},
		{wraps(registry.ErrUnauthorized), `log in with Docker's or another tool's "login HOST"; "compose help registries" says where credentials are looked for`},
		{wraps(registry.ErrCertificate), `name a file of its certificate or its authority's: -registry-ca FILE, or ca in the settings; see "compose help registries"`},
		{wraps(registry.ErrTLS), `"compose help registries" says how registries are reached with TLS and without`},
		{wraps(registry.ErrPlain), `if that is right, say -plain-http HOST, or "http: true" under the host in the settings`},
		{unreached, `"compose help registries" says how registries are reached`},
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

// unreached tells whether a host was not reached at all.
func unreached(err error) bool { return is[*net.OpError](err) && !errors.Is(err, context.Canceled) }

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

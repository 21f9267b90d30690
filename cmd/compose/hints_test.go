package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/pkg/golang"
	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/sign"
	"github.com/composeos/compose/compose/trust"
)

// TestRegistryHints holds what is said to do where a registry is not reached, or an
// image not trusted.
func TestRegistryHints(t *testing.T) {
	const help = `"compose help registries" says how registries are reached`
	for _, tt := range []struct {
		name string
		err  error
		want string // part of the hint
	}{
		{"unknown certificate", registry.ErrCertificate, "-registry-ca FILE"},
		{"unknown certificate, and no TLS", fmt.Errorf("%w; %w", registry.ErrCertificate, &registry.Error{Status: 400}), "-registry-ca FILE"},
		{"TLS", fmt.Errorf("%w; %w", &registry.Error{Status: 400}, registry.ErrTLS), "with TLS and without"},
		{"plain HTTP", fmt.Errorf("%w; %w", registry.ErrInsecure, registry.ErrPlain), "-plain-http HOST"},
		{"no connection", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, help},
		{"given up", &net.OpError{Op: "dial", Net: "tcp", Err: context.Canceled}, ""},
		{"not authorised", &registry.Error{Status: 401}, "log in"},
		{"denied", &trust.DeniedError{}, "nothing overrules deny"},
		{"tie", &trust.TieError{}, "the match of one of them"},
		{"passphrase", sign.ErrPassphrase, "COMPOSE_PASSWORD"},
	} {
		got := hintOf(fmt.Errorf("while at it: %w", tt.err))
		if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: hint %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestPackageHints holds what is said to do about each way in which what package
// sources are made of may be missing or bad.
func TestPackageHints(t *testing.T) {
	const another = "name another mirror: -mirror URL"
	const vendored = `leave -offline out, or name a folder that "compose pkg vendor" filled: -deb-mirror DIR`
	const arches = "add the architecture to arches in build.yml, or leave arches out for all"
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"not locked", &pkg.UnlockedError{}, `run "compose pkg lock"`},
		{"another architecture", &pkg.ArchError{}, arches},
		{"another architecture of a manifest's source", fmt.Errorf("%w: %w", image.ErrPlatform, &pkg.ArchError{}), arches},
		{"no mirror", debian.ErrNoMirror, "name a mirror of Debian: -mirror URL, or COMPOSE_DEB_MIRROR"},
		{"offline", debian.ErrOffline, vendored},
		{"Go offline", golang.ErrOffline, vendored},
		{"gone", debian.ErrGone, `or name a folder that "compose pkg vendor" filled when it was there: -deb-mirror DIR`},
		{"signature", debian.ErrSignature, "name another mirror, -mirror URL, or put the keys of this one's archive into keyring.asc"},
		{"expired", debian.ErrExpired, another},
		{"another suite", debian.ErrSuite, another},
		{"older", debian.ErrOlder, another},
		{"damaged", debian.ErrDamaged, another},
		{"downgrade", pkg.ErrDowngrade, another},
		{"no Go", golang.ErrNoGo, "any release since 1.21 does: it only fetches the one that build.yml names"},
		{"no such package", debian.ErrUnknownPackage, ""}, // the message says more than a hint could
	} {
		if got := hintOf(fmt.Errorf("while at it: %w", errors.Join(tt.err))); got != tt.want {
			t.Errorf("%s: hint %q, want %q", tt.name, got, tt.want)
		}
	}
}

package pkg

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// status writes down which packages the files are from, where scanners look: a
// file in var/lib/dpkg/status.d for each, and etc/os-release.
func (u *unpacked) status(suite string) []*rootfs.Entry {
	if len(u.debs) == 0 {
		return nil
	}
	made := []*rootfs.Entry{rootfs.MadeFile("etc/os-release", readable, osRelease(suite))}
	for _, b := range u.debs {
		made = append(made, rootfs.MadeFile("var/lib/dpkg/status.d/"+b.Name, readable, stanza(b.control)))
	}
	return made
}

// stanza writes a package's control fields as dpkg's status file has them
// (deb822(5)).
func stanza(p debian.Paragraph) []byte {
	var b strings.Builder
	for _, f := range p {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, strings.ReplaceAll(f.Value, "\n", "\n "))
	}
	return []byte(strings.ReplaceAll(b.String(), ": \n", ":\n"))
}

// The modes of what is made where the source names none.
const (
	readable   = 0o644
	executable = 0o755
)

// release returns the number of a Debian release, "" where it is not known.
func release(suite string) string {
	return map[string]string{"bookworm": "12", "trixie": "13", "forky": "14"}[suite]
}

// osRelease returns an os-release file (os-release(5)) with the words of Debian's.
func osRelease(suite string) []byte {
	number := release(suite)
	var b strings.Builder
	line := func(key, value string) { fmt.Fprintf(&b, "%s=%s\n", key, value) }
	line("PRETTY_NAME", fmt.Sprintf(`"%s"`, strings.Join(strings.Fields("Debian GNU/Linux "+number+" ("+suite+")"), " ")))
	line("NAME", `"Debian GNU/Linux"`)
	if number != "" {
		line("VERSION_ID", `"`+number+`"`)
		line("VERSION", fmt.Sprintf(`"%s (%s)"`, number, suite))
	}
	line("VERSION_CODENAME", suite)
	line("ID", "debian")
	return []byte(b.String())
}

// accounts returns etc/passwd and etc/group (passwd(5), group(5)), or nothing
// where the source names no user and no group.
func accounts(p *spec.Package) []*rootfs.Entry {
	if len(p.Users) == 0 && len(p.Groups) == 0 {
		return nil
	}
	users, groups := p.Users, p.Groups
	if !slices.ContainsFunc(users, func(u spec.User) bool { return u.UID == 0 }) {
		users = append([]spec.User{{Name: "root", Home: "/root", Shell: "/bin/sh"}}, users...)
	}
	known := map[uint32]bool{}
	for _, g := range groups {
		known[g.GID] = true
	}
	var own []spec.Group
	for _, u := range users {
		if !known[u.GID] {
			own = append(own, spec.Group{Name: u.Name, GID: u.GID})
			known[u.GID] = true
		}
	}
	var passwd, group strings.Builder
	for _, u := range users {
		fmt.Fprintf(&passwd, "%s:x:%d:%d::%s:%s\n", u.Name, u.UID, u.GID, cmp.Or(u.Home, "/nonexistent"), cmp.Or(u.Shell, "/usr/sbin/nologin"))
	}
	for _, g := range append(own, groups...) {
		fmt.Fprintf(&group, "%s:x:%d:\n", g.Name, g.GID)
	}
	return []*rootfs.Entry{
		rootfs.MadeFile("etc/passwd", readable, []byte(passwd.String())),
		rootfs.MadeFile("etc/group", readable, []byte(group.String())),
	}
}

package flatten

import "github.com/composeos/compose/compose/rootfs"

// Kind says what a root filesystem is for; it decides etc/resolv.conf.
type Kind int

// The kinds of root filesystem.
const (
	Container Kind = iota // of onboot, onshutdown and services
	System                // an init image at the root, or a volume
)

// hosts is the etc/hosts of every root filesystem. An image's own is what the
// machine had that made it.
const hosts = `127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::0	ip6-localnet
ff00::0	ip6-mcastprefix
ff02::1	ip6-allnodes
ff02::2	ip6-allrouters
`

// resolvConf is the etc/resolv.conf of a container: something to bind over.
const resolvConf = "# no resolver is configured: bind /etc/resolv.conf to use the system's\n"

// systemResolvConf is where the system keeps the resolvers that it learns at run time.
const systemResolvConf = "/run/resolvconf/resolv.conf"

// dropped is what an image leaves behind of the machine that made it.
var dropped = []string{".dockerenv", "Dockerfile", "dev/console", "dev/pts", "dev/shm", "etc/hostname"}

// directories exist in every root filesystem, to be mounted on.
var directories = []string{"dev", "dev/pts", "dev/shm", "etc", "proc", "sys"}

// Rootfs returns the root filesystem of an image: what Layers made of it,
// without what an image carries of the machine that made it, and with what
// containers and systems need to find. What the image says of a directory
// (mode, owner) stays. The files that are added are [rootfs.Entry.Made].
func Rootfs(image []*rootfs.Entry, kind Kind) ([]*rootfs.Entry, error) {
	var run []*rootfs.Entry
	at := func(p string) *rootfs.Entry { return rootfs.Find(image, p) }
	for _, path := range dropped {
		if _, err := rootfs.FollowDirs(path, at); err != nil {
			continue // nothing can be there
		}
		run = append(run, &rootfs.Entry{Path: path, Type: rootfs.Whiteout})
	}
	bare := applier{lower: image, upper: rootfs.Sort(run)}
	lower, err := bare.apply()
	if err != nil {
		return nil, err
	}
	run = nil
	for _, path := range directories {
		if !leadsToDirectory(lower, path) {
			run = append(run, rootfs.MadeDir(path, 0o755))
		}
	}
	at = func(p string) *rootfs.Entry { return rootfs.Find(lower, p) }
	if mtab, err := rootfs.FollowDirs("etc/mtab", at); err != nil || at(mtab) == nil {
		run = append(run, rootfs.MadeSymlink("etc/mtab", "/proc/mounts"))
	}
	run = append(run, rootfs.MadeFile("etc/hosts", 0o644, []byte(hosts)))
	if kind == System {
		run = append(run, rootfs.MadeSymlink("etc/resolv.conf", systemResolvConf))
	} else {
		run = append(run, rootfs.MadeFile("etc/resolv.conf", 0o644, []byte(resolvConf)))
	}
	whole := applier{lower: lower, upper: rootfs.Sort(run)}
	return whole.apply()
}

// leadsToDirectory tells whether path is a directory, or a link to one.
func leadsToDirectory(entries []*rootfs.Entry, path string) bool {
	at := func(p string) *rootfs.Entry { return rootfs.Find(entries, p) }
	target, err := rootfs.Follow(path, at)
	if err != nil {
		return false
	}
	e := at(target)
	return target == "" || e != nil && e.Type == rootfs.Dir
}

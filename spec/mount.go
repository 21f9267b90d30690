package spec

// allDevices is the path that stands for every device of a type.
const allDevices = "all"

// The formats of volumes; see Volume.Format.
const (
	VolumeFilesystem = "filesystem"
	VolumeOCI        = "oci"
)

// Kind returns the mount's type, or what follows from its source and
// destination where it gives none; "" where nothing does.
func (m Mount) Kind() string {
	if m.Type != "" {
		return m.Type
	}
	if kernelMounts(m.Source) != "" {
		return m.Source
	}
	if m.Destination == "/dev" {
		return "tmpfs"
	}
	return ""
}

// Path returns the mount's destination, or the place where mounts of its type
// go where it gives none; "" where there is no such place.
func (m Mount) Path() string {
	if m.Destination != "" {
		return m.Destination
	}
	return kernelMounts(m.Kind())
}

// From returns the mount's source, or its type where it gives none.
func (m Mount) From() string {
	if m.Source != "" {
		return m.Source
	}
	return m.Kind()
}

// kernelMounts returns where a filesystem of the kernel is mounted.
func kernelMounts(kind string) string {
	switch kind {
	case "proc":
		return "/proc"
	case "sysfs":
		return "/sys"
	case "cgroup":
		return "/sys/fs/cgroup"
	case "devpts":
		return "/dev/pts"
	case "mqueue":
		return "/dev/mqueue"
	}
	return ""
}

package spec

import specs "github.com/opencontainers/runtime-spec/specs-go"

// Config is what a container may be told: in the manifest, and, with the same
// keys, in the org.mobyproject.config label of its image.
//
// A nil list, map or pointer, and an empty string, was not given: it keeps what
// is below it. An empty list was given, and empties what is below it.
type Config struct {
	// Capabilities are the capabilities of the process: names with CAP_, or the single word all or none. The default is none.
	Capabilities []string `yaml:"capabilities" check:"capability"`
	// CapabilitiesAdd are added to the capabilities that the label gives.
	CapabilitiesAdd []string `yaml:"capabilities.add" check:"capability"`
	// Ambient are capabilities that a user other than root keeps over an exec.
	Ambient []string `yaml:"ambient" check:"capability"`
	// Mounts are mounts inside the container, as in the runtime specification. They override binds, tmpfs and the default mounts with the same destination.
	Mounts []Mount `yaml:"mounts"`
	// Binds are bind mounts: source:destination[:options]. The source is a path of the system, or the name of a volume. The default options are rw,rbind,rshared.
	Binds []string `yaml:"binds" check:"bind"`
	// BindsAdd are added to the binds that the label gives.
	BindsAdd []string `yaml:"binds.add" check:"bind"`
	// Devices are device nodes that the container gets and may use.
	Devices []Device `yaml:"devices"`
	// Tmpfs are tmpfs mounts: destination[:options].
	Tmpfs []string `yaml:"tmpfs" check:"tmpfs"`
	// Command is the program and its arguments. The default is the image's entrypoint followed by its cmd.
	Command []string `yaml:"command"`
	// Env are environment variables, NAME=value. The default is the image's.
	Env []string `yaml:"env" check:"env"`
	// Cwd is the working directory, an absolute path. The default is the image's, or /.
	Cwd string `yaml:"cwd" check:"abspath"`
	// Net is the network namespace: host (the default), new, none (new, and without an interface), or the path of one.
	Net string `yaml:"net" check:"namespace=host|new|none"`
	// Pid is the namespace of process numbers: new (the default), host, or the path of one.
	Pid string `yaml:"pid" check:"namespace=host|new"`
	// Ipc is the namespace of System V IPC and POSIX message queues: host (the default), new, or the path of one.
	Ipc string `yaml:"ipc" check:"namespace=host|new"`
	// Uts is the namespace of the host name: host (the default), new, or the path of one.
	Uts string `yaml:"uts" check:"namespace=host|new"`
	// Userns is the user namespace: host (the default), new, or the path of one.
	Userns string `yaml:"userns" check:"namespace=host|new"`
	// Hostname is the host name that the container sees; it needs uts: new.
	Hostname *string `yaml:"hostname"`
	// Readonly makes the container's root filesystem read-only. The default is false.
	Readonly *bool `yaml:"readonly"`
	// MaskedPaths are paths that the container cannot read.
	MaskedPaths []string `yaml:"maskedPaths" check:"abspath"`
	// ReadonlyPaths are paths that the container cannot write to.
	ReadonlyPaths []string `yaml:"readonlyPaths" check:"abspath"`
	// UID is the user that the process runs as: a number, or the name of a container. The default is 0, whatever the image's own User says.
	UID *ID `yaml:"uid"`
	// GID is the group that the process runs as: a number, or the name of a container. The default is 0.
	GID *ID `yaml:"gid"`
	// AdditionalGids are further groups of the process: numbers, or names of containers.
	AdditionalGids []ID `yaml:"additionalGids"`
	// NoNewPrivileges keeps the process from gaining privileges, by setuid programs for one. The default is false.
	NoNewPrivileges *bool `yaml:"noNewPrivileges"`
	// OOMScoreAdj is how readily the kernel kills the process when memory runs out: -1000 (never) to 1000.
	OOMScoreAdj *int `yaml:"oomScoreAdj" check:"range=-1000..1000"`
	// RootfsPropagation says how mounts spread between the container and the system: private, shared, slave or unbindable.
	RootfsPropagation string `yaml:"rootfsPropagation" check:"enum=private|shared|slave|unbindable"`
	// CgroupsPath is the path of the container's control group.
	CgroupsPath *string `yaml:"cgroupsPath"`
	// Resources are the limits of the container's control group, as in the runtime specification.
	Resources *specs.LinuxResources `yaml:"resources"`
	// Sysctl are kernel parameters that are set in the container's namespaces.
	Sysctl map[string]string `yaml:"sysctl"`
	// Rlimits are resource limits of the process: name,soft,hard, such as nofile,1024,unlimited.
	Rlimits []string `yaml:"rlimits" check:"rlimit"`
	// UIDMappings map users of the container's user namespace to users of the system.
	UIDMappings []specs.LinuxIDMapping `yaml:"uidMappings"`
	// GIDMappings map groups of the container's user namespace to groups of the system.
	GIDMappings []specs.LinuxIDMapping `yaml:"gidMappings"`
	// Annotations are carried into config.json for whoever reads them there.
	Annotations map[string]string `yaml:"annotations"`
	// Runtime is what the system does around the container when it starts it.
	Runtime Runtime `yaml:"runtime"`
}

// Mount is one mount.
type Mount struct {
	// Destination is the path in the container, or on the system for a mount of runtime. The default follows from the type where it can only be one: /proc, /dev/pts, /sys, /sys/fs/cgroup, /dev/mqueue.
	Destination string `yaml:"destination"`
	// Type is the type of the filesystem, or bind. The default follows from the source (proc, sysfs, cgroup, devpts, mqueue), and is tmpfs for /dev.
	Type string `yaml:"type"`
	// Source is a device, a path, or the name of a volume. The default is the type.
	Source string `yaml:"source"`
	// Options are options of the mount.
	Options []string `yaml:"options"`
	// UIDMappings map users of an id-mapped mount.
	UIDMappings []specs.LinuxIDMapping `yaml:"uidMappings"`
	// GIDMappings map groups of an id-mapped mount.
	GIDMappings []specs.LinuxIDMapping `yaml:"gidMappings"`
}

// Device is a device node of a container.
type Device struct {
	// Path is the node's path in the container. The word all makes no node, and allows every device of the type.
	Path string `yaml:"path" check:"required,devicepath"`
	// Type is the kind of node: c or u (character), b (block) or p (fifo); with the path all also a (any).
	Type string `yaml:"type" check:"required,enum=a|b|c|p|u"`
	// Major is the driver's number.
	Major int64 `yaml:"major" check:"range=0..4294967295"`
	// Minor is the device's number.
	Minor int64 `yaml:"minor" check:"range=0..4294967295"`
	// Mode is the node's permissions in octal, in quotes, at most "0777".
	Mode Mode `yaml:"mode"`
}

// Runtime is what the system does around a container; it becomes runtime.json.
type Runtime struct {
	// Cgroups are control groups to make first.
	Cgroups []string `yaml:"cgroups"`
	// Mounts are mounts to make on the system first. A relative destination is in the container's root filesystem.
	Mounts []Mount `yaml:"mounts"`
	// Mkdir are directories to make on the system first.
	Mkdir []string `yaml:"mkdir"`
	// Interfaces are network interfaces to make or to move into the container.
	Interfaces []Interface `yaml:"interfaces"`
	// BindNS are files that the container's namespaces are bound to, for other containers to join.
	BindNS Namespaces `yaml:"bindNS"`
	// Namespace is the containerd namespace of the service.
	Namespace *string `yaml:"namespace"`
}

// Interface is one network interface of a container.
type Interface struct {
	// Name is the interface's name in the container.
	Name string `yaml:"name"`
	// Add is the type of an interface to make, such as veth or wireguard. Without it an interface of the system is moved.
	Add string `yaml:"add"`
	// Peer is the name of a veth's other end, which stays on the system.
	Peer string `yaml:"peer"`
	// CreateInRoot makes the interface on the system and then moves it, which wireguard needs.
	CreateInRoot bool `yaml:"createInRoot"`
}

// Namespaces are paths of files, one for each kind of namespace; nil where there is none.
type Namespaces struct {
	// Cgroup is the path for the control group namespace.
	Cgroup *string `yaml:"cgroup"`
	// Ipc is the path for the IPC namespace.
	Ipc *string `yaml:"ipc"`
	// Mnt is the path for the mount namespace.
	Mnt *string `yaml:"mnt"`
	// Net is the path for the network namespace.
	Net *string `yaml:"net"`
	// Pid is the path for the namespace of process numbers.
	Pid *string `yaml:"pid"`
	// User is the path for the user namespace.
	User *string `yaml:"user"`
	// Uts is the path for the namespace of the host name.
	Uts *string `yaml:"uts"`
}

package bundle

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
)

// Runnable returns the config.json with which a runtime starts b from another
// directory, and the control group it names: the root filesystem's path is made
// absolute, and a container without a control group gets /KIND/NAME. All else
// stays as it is, byte for byte.
func (b Bundle) Runnable() (config []byte, cgroup string, err error) {
	var all, linux map[string]json.RawMessage
	if err := json.Unmarshal(b.Config, &all); err != nil {
		return nil, "", fmt.Errorf("config.json: %w", err)
	}
	if len(all["linux"]) > 0 {
		if err := json.Unmarshal(all["linux"], &linux); err != nil {
			return nil, "", fmt.Errorf("config.json: linux: %w", err)
		}
	}
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	if linux == nil {
		linux = map[string]json.RawMessage{}
	}
	if len(linux["cgroupsPath"]) > 0 {
		if err := json.Unmarshal(linux["cgroupsPath"], &cgroup); err != nil {
			return nil, "", fmt.Errorf("config.json: linux.cgroupsPath: %w", err)
		}
	}
	if cgroup == "" {
		cgroup = path.Join("/", b.Kind, b.Name)
	}
	cgroup = path.Clean("/" + cgroup)
	if all["root"], err = b.root(all["root"]); err != nil {
		return nil, "", err
	}
	if linux["cgroupsPath"], err = json.Marshal(cgroup); err != nil {
		return nil, "", err
	}
	if all["linux"], err = json.Marshal(linux); err != nil {
		return nil, "", err
	}
	config, err = json.Marshal(all)
	return config, cgroup, err
}

// root makes the path of the root filesystem absolute.
func (b Bundle) root(given json.RawMessage) (json.RawMessage, error) {
	var root struct {
		Path     string `json:"path"`
		Readonly bool   `json:"readonly,omitempty"`
	}
	if len(given) > 0 {
		if err := json.Unmarshal(given, &root); err != nil {
			return nil, fmt.Errorf("config.json: root: %w", err)
		}
	}
	if root.Path == "" {
		root.Path = "rootfs"
	}
	if !filepath.IsAbs(root.Path) {
		root.Path = filepath.Join(b.Path, root.Path)
	}
	return json.Marshal(root)
}

package modules

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// passes is how often Coldplug looks. A bus that a module brings shows its devices
// once the module is there: virtio_pci, then the disk; button, then its input.
const passes = 3

// Coldplug loads the modules for all devices below devices ("/sys/devices"), each
// of which says in a file modalias what it is, and again for those that have come
// with them, three times at most. It returns how many it has loaded. A module that
// does not load does not stop the others: all errors are joined, but those of
// drivers that find that the device is not theirs (ENODEV).
func (s *Set) Coldplug(devices string) (int, error) {
	before := len(s.done)
	failed := map[string]error{}
	for range passes {
		loaded := len(s.done)
		for _, device := range modaliases(devices) {
			if s.tried[device] {
				continue
			}
			s.tried[device] = true
			for _, module := range s.matching(device) {
				if err := s.load(module, ""); err != nil && !errors.Is(err, syscall.ENODEV) {
					failed[module] = err
				}
			}
		}
		if len(s.done) == loaded {
			break
		}
	}
	return len(s.done) - before, joined(failed)
}

// modaliases returns what all files called modalias below devices hold, sorted,
// each once. What cannot be read, as a device that goes away, is left out.
func modaliases(devices string) []string {
	var all []string
	_ = filepath.WalkDir(devices, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if d.Name() == "modalias" {
			text, _ := os.ReadFile(file)
			if device := strings.TrimSpace(string(text)); device != "" {
				all = append(all, device)
			}
		}
		return nil
	})
	slices.Sort(all)
	return slices.Compact(all)
}

// joined returns the errors in the order of their names; nil where all are.
func joined(failed map[string]error) error {
	names := make([]string, 0, len(failed))
	for name := range failed {
		names = append(names, name)
	}
	slices.Sort(names)
	var faults []error
	for _, name := range names {
		faults = append(faults, failed[name])
	}
	return errors.Join(faults...)
}

package spec

import "fmt"

// ID is a user or group: a number, or the name of a container whose number it is.
type ID struct {
	Name   string // "" where Number counts; "root" is 0
	Number uint32
}

// Lookup returns the number that id stands for. ids are the numbers of
// containers, as [IDs] gives them.
func (id ID) Lookup(ids map[string]uint32) (uint32, error) {
	switch id.Name {
	case "":
		return id.Number, nil
	case rootUser:
		return 0, nil
	}
	n, ok := ids[id.Name]
	if !ok {
		return 0, fmt.Errorf("no container is called %q: a user or group is a number, root, or the name of a container", id.Name)
	}
	return n, nil
}

// rootUser is the one name that is a user without being a container.
const rootUser = "root"

// String returns the name, or the number in decimal.
func (id ID) String() string {
	if id.Name != "" {
		return id.Name
	}
	return fmt.Sprint(id.Number)
}

// Mode is a file's permissions; Set tells 0 from none given.
type Mode struct {
	Bits uint32 // permission, setuid, setgid and sticky bits: 0 to 07777
	Set  bool
}

// String returns the mode in octal, with four digits, or "" where none is set.
func (m Mode) String() string {
	if !m.Set {
		return ""
	}
	return fmt.Sprintf("%04o", m.Bits)
}

package outputs

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// menu is what boot loaders are told.
type menu struct {
	title   string // of the one entry
	timeout int64  // how long to wait, seconds
	cmdline string // of the kernel, with one space between its words
	serial  serial
}

// serial is the serial port that the kernel's console is on.
type serial struct {
	on    bool
	port  int // 0 is ttyS0
	speed int // bits a second
}

// ErrCmdline is what Check says of a command line that boot loaders would change.
var ErrCmdline = errors.New("boot loaders do not pass this command line as it is")

// How long a command line may be, bytes: x86 has room for 2047, of which the boot
// loaders of a menu take some for words of their own.
const (
	maxCmdlineX86  = 2047
	maxMenuCmdline = 1900
)

// readMenu makes the menu of t.
func readMenu(t *rootfs.Tree, cmdline string) (menu, error) {
	release, err := osRelease(t)
	return menu{
		title: cmp.Or(t.Menu.Title, prettyName(release), "Linux"), timeout: t.Menu.Timeout,
		cmdline: strings.Join(strings.Fields(cmdline), " "), serial: readSerial(cmdline),
	}, err
}

// checkMenuCmdline returns why GRUB or ISOLINUX would not pass the command line to
// the kernel as it is: GRUB writes a backslash before a quote and before another
// backslash, and ISOLINUX takes initrd= for itself.
func checkMenuCmdline(cmdline string) error {
	cmdline = strings.Join(strings.Fields(cmdline), " ")
	for _, r := range cmdline {
		if strings.ContainsRune(`"'\`, r) {
			return fmt.Errorf("%w: %q is in it: want no quotes and backslashes", ErrCmdline, r)
		}
	}
	if err := checkCmdline(cmdline, maxMenuCmdline); err != nil {
		return err
	}
	for word := range strings.FieldsSeq(cmdline) {
		if strings.HasPrefix(word, "initrd=") {
			return fmt.Errorf("%w: %s is for the boot loader", ErrCmdline, word)
		}
	}
	return nil
}

// checkCmdline returns why a command line is not passed as it is by anybody.
func checkCmdline(cmdline string, most int) error {
	for _, r := range cmdline {
		if !printable(r) {
			return fmt.Errorf("%w: %q is in it: want printable ASCII", ErrCmdline, r)
		}
	}
	if len(cmdline) > most {
		return fmt.Errorf("%w: it has %d bytes; at most %d can be", ErrCmdline, len(cmdline), most)
	}
	return nil
}

// readSerial finds the last console of a command line on a serial port of a PC, as
// console=ttyS0,115200n8. The speed of the kernel's own choice is 9600, but what
// nobody gives is 115200 here, as everywhere in virtual machines.
func readSerial(cmdline string) serial {
	var s serial
	for word := range strings.FieldsSeq(cmdline) {
		port, ok := strings.CutPrefix(word, "console=ttyS")
		if !ok {
			continue
		}
		port, options, _ := strings.Cut(port, ",")
		n, err := strconv.Atoi(port)
		if err != nil || n < 0 || n > 3 {
			continue
		}
		digits := options[:len(options)-len(strings.TrimLeft(options, "0123456789"))]
		speed, err := strconv.Atoi(digits)
		if err != nil || speed < 1 || speed > 115200 {
			speed = 115200
		}
		s = serial{true, n, speed}
	}
	return s
}

// grub is the menu as GRUB has it (GNU GRUB 2.06 manual, "Writing full configuration
// files").
func (m menu) grub() []byte {
	var b strings.Builder
	if m.serial.on {
		_, _ = fmt.Fprintf(&b, "serial --unit=%d --speed=%d\nterminal_input serial console\nterminal_output serial console\n", m.serial.port, m.serial.speed)
	}
	_, _ = fmt.Fprintf(&b, "set default=0\nset timeout=%d\nmenuentry %s {\n", m.timeout, grubQuoted(m.title))
	var words []string
	for word := range strings.FieldsSeq(m.cmdline) {
		words = append(words, grubQuoted(word))
	}
	_, _ = fmt.Fprintf(&b, "\tlinux %s\n\tinitrd /boot/initrd.img\n}\n", strings.Join(append([]string{"/boot/kernel"}, words...), " "))
	return []byte(b.String())
}

// grubQuoted is one word to GRUB.
func grubQuoted(s string) string {
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("+,-./:=@_%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// grubFinder is what GRUB reads first, on the FAT volume that it was started from:
// it goes on with the menu on the volume that has a file of that path.
func grubFinder(path string) []byte {
	return fmt.Appendf(nil, `if search --no-floppy --set=root --file /%s; then
	set prefix=($root)/boot/grub
	source $prefix/grub.cfg
else
	echo "The volume that this system is on is not there."
fi
`, path)
}

// isolinux is the menu as ISOLINUX has it (syslinux 6.04, doc/syslinux.txt).
func (m menu) isolinux() []byte {
	var b strings.Builder
	if m.serial.on {
		_, _ = fmt.Fprintf(&b, "serial %d %d\n", m.serial.port, m.serial.speed)
	}
	if m.timeout > 0 {
		_, _ = fmt.Fprintf(&b, "prompt 1\ntimeout %d\n", 10*m.timeout) // tenths of a second
	} else {
		b.WriteString("prompt 0\n")
	}
	_, _ = fmt.Fprintf(&b, "say %[1]s\ndefault linux\nlabel linux\n\tmenu label %[1]s\n\tkernel /boot/kernel\n\tappend %[2]s\n",
		m.title, strings.TrimSpace("initrd=/boot/initrd.img "+m.cmdline))
	return []byte(b.String())
}

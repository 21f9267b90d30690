// Command guest is the init of a guest that does what a word of its kernel's
// command line says, guest=WORD, and then turns the machine off. The tests of
// "compose run" make an initramfs of it, with modules of the kernel in /modules.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: is for a guest to start as its init: it turns the machine off")
		os.Exit(2)
	}
	how := os.Getenv("guest")
	if err := do(how); err != nil {
		fmt.Println("GUEST-ERROR", err)
	}
	const drain = 1 // tcdrain(3)
	_ = unix.IoctlSetInt(int(os.Stdout.Fd()), unix.TCSBRK, drain)
	end := unix.LINUX_REBOOT_CMD_POWER_OFF
	if how == "restart" {
		end = unix.LINUX_REBOOT_CMD_RESTART
	}
	fmt.Println("GUEST-END", unix.Reboot(end))
}

func do(how string) error {
	switch how {
	case "button":
		return waitForButton()
	case "deaf":
		fmt.Println("GUEST-READY")
		select {}
	case "hear":
		fmt.Println("GUEST-READY")
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		fmt.Printf("GUEST-HEARD %q\n", line)
		return err
	case "disk":
		return useDisk()
	}
	fmt.Println("GUEST-READY")
	return nil
}

// load loads the kernel's modules and shows its devices.
func load() error {
	modules, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	for _, m := range modules {
		f, err := os.Open(m)
		if err != nil {
			return err
		}
		if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
	}
	if err := os.MkdirAll("/dev", 0o755); err != nil {
		return err
	}
	return unix.Mount("dev", "/dev", "devtmpfs", 0, "")
}

// waitForButton waits until the power button is pressed.
func waitForButton() error {
	if err := load(); err != nil {
		return err
	}
	inputs, err := filepath.Glob("/dev/input/event*")
	if err != nil {
		return err
	}
	pressed := make(chan bool)
	for _, path := range inputs {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		go func() {
			const key, power = 1, 116 // linux/input-event-codes.h
			for event := make([]byte, 24); ; {
				if _, err := f.Read(event); err != nil {
					return
				}
				kind, code := binary.LittleEndian.Uint16(event[16:]), binary.LittleEndian.Uint16(event[18:])
				if kind == key && code == power && event[20] == 1 {
					pressed <- true
				}
			}
		}()
	}
	fmt.Println("GUEST-READY", len(inputs))
	<-pressed
	fmt.Println("GUEST-BUTTON")
	return nil
}

// useDisk says what the first disk begins with, and writes something else there.
func useDisk() error {
	if err := load(); err != nil {
		return err
	}
	f, err := os.OpenFile("/dev/vda", os.O_RDWR|unix.O_SYNC, 0)
	if err != nil {
		return err
	}
	found := make([]byte, 8)
	if _, err := f.ReadAt(found, 0); err != nil {
		return err
	}
	fmt.Printf("GUEST-DISK %q\n", found)
	_, err = f.WriteAt([]byte("guestwas"), 0)
	return err
}

package power

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// Devices is where the devices are that a power button is among.
	Devices = "/dev/input"
	// eventSize is sizeof(struct input_event) where a long has 64 bits
	// (linux/input.h): the time, then type, code and value.
	eventSize = 24
	// evKey and keyPower are EV_KEY and KEY_POWER (linux/input-event-codes.h).
	evKey    = 1
	keyPower = 116
	// rescan is how often new devices are looked for.
	rescan = 2 * time.Second
)

// Pressed tells whether an input event is the power button going down.
func Pressed(event []byte) bool {
	return len(event) == eventSize &&
		binary.NativeEndian.Uint16(event[16:]) == evKey &&
		binary.NativeEndian.Uint16(event[18:]) == keyPower &&
		binary.NativeEndian.Uint32(event[20:]) == 1
}

// Watch calls pressed when a power button of the devices dir/event* goes down,
// until ctx ends. Devices may come and go.
func Watch(ctx context.Context, dir string, pressed func()) {
	var devices sync.Map
	ticker := time.NewTicker(rescan)
	defer ticker.Stop()
	for {
		entries, err := os.ReadDir(dir)
		if err != nil {
			entries = nil // there is no such device yet
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if _, known := devices.LoadOrStore(path, true); known || !strings.HasPrefix(e.Name(), "event") {
				continue
			}
			go func() {
				listen(ctx, path, pressed)
				devices.Delete(path)
			}()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// listen reads the events of one device to its end.
func listen(ctx context.Context, path string, pressed func()) {
	device, err := os.Open(path)
	if err != nil {
		return
	}
	defer device.Close()
	stop := context.AfterFunc(ctx, func() { _ = device.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	event := make([]byte, eventSize)
	for {
		if _, err := io.ReadFull(device, event); err != nil {
			return
		}
		if Pressed(event) {
			pressed()
		}
	}
}

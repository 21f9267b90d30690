package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Disk is a file that is a disk of a guest.
type Disk struct {
	File string
	Size int64 // bytes; 0 for that of the file, which then has to be there
}

// sector is what the size of a disk is a multiple of, bytes.
const sector = 512

// Make makes the file, sparse, where there is none, and grows one that is smaller;
// a guest sees its file systems as they were. It never makes a file smaller, and
// never writes to what is in it.
func (d Disk) Make() error {
	if d.Size < 0 || d.Size%sector != 0 {
		return fmt.Errorf("%s: a disk of %d bytes: want whole sectors of %d", d.File, d.Size, sector)
	}
	info, err := os.Stat(d.File)
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.Size > 0:
		return d.create()
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no such disk, and no size to make one of", d.File)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: is no file, which a disk is kept in", d.File)
	case d.Size > 0 && info.Size() > d.Size:
		return fmt.Errorf("%s: has %d bytes already, more than the %d that are asked for: a disk is never made smaller", d.File, info.Size(), d.Size)
	case info.Size() < d.Size:
		return os.Truncate(d.File, d.Size)
	}
	return nil
}

// create makes a file that must not be there.
func (d Disk) create() error {
	f, err := os.OpenFile(d.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	err = f.Truncate(d.Size)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(d.File))
	}
	return nil
}

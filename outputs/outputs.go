// Package outputs writes a composed root filesystem in the forms in which it is
// shipped.
//
// A [Format] encodes a tree into files; it opens none itself. It creates them in
// a [Sink], which puts the whole set in its place at once, or nothing at all.
// A new format is one file of this package, one line in the table, and one
// golden digest. Formats see nothing of how a tree was made: two equal trees give
// equal bytes.
//
//	f, ok := outputs.Lookup("tar")
//	sink := outputs.ToDir("out")
//	defer sink.Abort()                                  // nothing, once committed
//	if err := f.Check(tree, o); err != nil { … }        // every reason, before a byte is written
//	err := f.Write(ctx, tree, outputs.Env{Options: o, Sink: sink, Progress: func(int64) {}})
//	err = sink.Commit()
//	for _, r := range sink.Results() { fmt.Println(r.Digest, r.Size, r.Path) }
package outputs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/isodisk"
)

// Format is one kind of output.
type Format interface {
	// Name is what -format takes, such as "kernel+initrd".
	Name() string
	// Summary is a line of help.
	Summary() string
	// Files returns the names of the files that it writes for an image called
	// name, in the order in which it creates them.
	Files(name string) []string
	// Compresses tells whether it writes anything as [Options].Compress says.
	Compresses() bool
	// Sized tells whether it writes anything of the size that [Options].Size says.
	Sized() bool
	// Check returns every reason why t cannot be written, joined, before a byte
	// is, and what a user should hear of what will be. Each names the path and
	// where it is from.
	Check(t *rootfs.Tree, o Options) ([]Notice, error)
	// Write encodes t into files that it creates in env's sink and closes. It
	// neither commits nor aborts. It ends soon after ctx does.
	Write(ctx context.Context, t *rootfs.Tree, env Env) error
}

// formats is the table of all formats, in the order of help.
func formats() []Format {
	return []Format{
		KernelInitrd{},
		TarKernelInitrd{},
		Tar{},
		Docker{},
		OCI{},
		ISO{},
		RawEFI{},
		UKI{},
	}
}

// All returns every format, in the order of help.
func All() []Format { return formats() }

// Names returns the names of all formats, in the order of help.
func Names() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.Name())
	}
	return names
}

// Lookup returns the format of that name, or of another one that linuxkit has for it.
func Lookup(name string) (Format, bool) {
	if name == "iso-efi-initrd" {
		name = ISO{}.Name()
	}
	for _, f := range formats() {
		if f.Name() == name {
			return f, true
		}
	}
	return nil, false
}

// ErrName is what [Options.Validate] says of a bad name of an image.
var ErrName = errors.New("a name is letters, digits and . _ + -, does not begin with - or . and has up to 200 bytes")

// Sector is what the size of a disk is a multiple of, bytes.
const Sector = isodisk.Sector

// maxImageName leaves room in a file name of 255 bytes for what formats append.
const maxImageName = 200

// Options are what a user may choose about an output.
type Options struct {
	Name     string      // of the image; files are named after it
	Compress Compression // "" leaves it to the format
	Size     int64       // of a disk, bytes; 0 is as small as it can be
}

// Notice is something that a user should hear of.
type Notice struct {
	Text   string
	Info   bool // tells, rather than warns
	Strict bool // a warning that is an error where the user asked for strictness
}

// Validate checks what holds for every format. Errors wrap [ErrName].
func (o Options) Validate() error {
	ok := o.Name != "" && len(o.Name) <= maxImageName && !strings.ContainsAny(o.Name[:1], "-.")
	for i := range len(o.Name) {
		ok = ok && nameByte(o.Name[i])
	}
	if !ok {
		return fmt.Errorf("image name %q: %w", o.Name, ErrName)
	}
	return nil
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._+-", c) >= 0
}

// Env is what a format is given to write with.
type Env struct {
	Options
	Sink     Sink
	Cache    Cache
	Progress func(n int64)  // told of bytes of content that are done, never of 0, by many goroutines; never nil
	Notify   func(n Notice) // told what is known only once it is written; never nil
}

// Cache keeps what is dear to make, by keys that name everything it is made of.
// It can never change a result, only when it is there.
type Cache interface {
	// Member returns what fill writes: that of an earlier time, where that is
	// there under the key, or what fill writes now. It is called at most once.
	// The caller closes what it gets.
	Member(ctx context.Context, key rootfs.Digest, fill func(w io.Writer) error) (Member, error)
	// Folder makes an empty folder for files of a moment. remove removes it with all
	// that is in it.
	Folder() (dir string, remove func(), err error)
	// Recall returns what was remembered under a key, if it is there.
	Recall(key rootfs.Digest) ([]byte, bool)
	// Remember keeps a few bytes. Where that is not possible nothing is said: they
	// will be worked out again.
	Remember(key rootfs.Digest, value []byte)
}

// Member is bytes out of the cache.
type Member interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Sink is where a format puts its files. The whole set appears on Commit, or
// nothing does. Abort ends everything that Commit has not ended, and does nothing
// after it; it may be called at any time, also while another goroutine writes.
type Sink interface {
	Create(name string) (File, error)
	Commit() error
	Abort()
}

// File is an output that is being written, by one goroutine.
type File interface {
	// Write appends p. An error stays: all further calls return it.
	io.Writer
	// Copy appends n bytes of r from off on. It ends with ctx's error if ctx ends.
	// An error of r is a [ReadError].
	Copy(ctx context.Context, r io.ReaderAt, off, n int64) error
	// Skip appends n zeros, which take no room where that can be. It ends with
	// ctx's error if ctx ends.
	Skip(ctx context.Context, n int64) error
	// Known says which SHA-256 the whole file will have, so that it need not be
	// worked out. It is called before anything is written.
	Known(sum rootfs.Digest)
	// Resume says how far the hash of the file has come after its first n bytes:
	// those need not be hashed. It is called before anything is written; an error
	// means that state is none, and leaves all to be hashed.
	Resume(state []byte, n int64) error
	// State returns how far the hash of the file has come, for a later Resume.
	State() ([]byte, error)
	// Sum is the SHA-256 of the whole, once Close has returned nil.
	Sum() rootfs.Digest
	// Close ends the file and reports what went wrong until then. It must be
	// called, also after an error; again it does nothing.
	io.Closer
}

// Result is a file that has been written.
type Result struct {
	Path   string        // as the user named it: in the directory given, the file given, or "-"
	Size   int64         // bytes
	Digest rootfs.Digest // of the whole
	Info   fs.FileInfo   // of the file in its place; nil for what is not a regular file
}

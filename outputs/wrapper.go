package outputs

import (
	"errors"

	"github.com/composeos/compose/compose/rootfs"
)

// wrapper builds a tar archive whose files are streams: the outer archive of a
// format that is one. Its files are root's, 0644, of [rootfs.DefaultModTime].
type wrapper struct {
	parts joined
	err   error
}

// add appends a file.
func (w *wrapper) add(name string, s stream) {
	e := rootfs.MadeFile(name, 0o644, nil).Alone()
	e.Size = s.size()
	w.header(e)
	w.parts = append(w.parts, s, zeros(rootfs.Tar{}.Pad(e.Size)))
}

// dir appends a directory.
func (w *wrapper) dir(name string) { w.header(rootfs.MadeDir(name, 0o755).Alone()) }

func (w *wrapper) header(e *rootfs.Entry) {
	b, err := rootfs.Tar{}.AppendHeader(nil, e)
	if err != nil {
		w.err = errors.Join(w.err, entryError(e, err))
	}
	w.parts = append(w.parts, literal(b))
}

// stream returns the whole archive. Who closes the files' streams closes it.
func (w *wrapper) stream() (stream, error) {
	return append(w.parts, literal(rootfs.Tar{}.Trailer())), w.err
}

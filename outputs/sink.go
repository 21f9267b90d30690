package outputs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Files is a [Sink] that puts files where a user wants them, each whole or not
// at all.
//
// A file has no name while it is written (O_TMPFILE), so that a process that is
// killed leaves nothing. Where the file system cannot do that it is a locked
// hidden file beside its target, which the next build of that target removes if
// its process has died. Commit puts all in their places; if one cannot be, those
// before it are taken back. Only a regular file is ever replaced. A symbolic link
// stays, and what it leads to is replaced. What exists and is not a regular file
// (/dev/null, a pipe) is written through, from the first byte on, and cannot be
// taken back. Nothing is flushed to the disk: a build can be made again.
//
// Modes are 0666 and 0777 less the umask.
type Files struct {
	dir  string    // of ToDir
	path string    // of ToFile
	w    io.Writer // of ToStream

	temp func(target string) (f *os.File, temp string, err error) // openTemp

	mu      sync.Mutex
	outputs []*output
	made    []string // directories, outermost first
	state   state
	results []Result
}

type state int

const (
	open state = iota
	committed
	aborted
)

// Faults of an output's name, for callers that have a hint.
var (
	ErrSeveral   = errors.New("several files do not go into one")
	ErrDirectory = errors.New("is a directory")
)

// ToDir puts files into a directory, the working directory if dir is "". It is
// made if need be, and taken back on Abort if it was.
func ToDir(dir string) *Files { return &Files{dir: cmp.Or(dir, "."), temp: openTemp} }

// ToFile puts the one file that is created at path, whatever its name. A second
// is an error that wraps [ErrSeveral]. The directory has to be there.
func ToFile(path string) *Files { return &Files{path: path, temp: openTemp} }

// ToStream writes the one file that is created to w as it comes. A second is an
// error that wraps [ErrSeveral]. It does not close w.
func ToStream(w io.Writer) *Files { return &Files{w: w} }

// Create implements [Sink].
func (s *Files) Create(name string) (File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == aborted:
		return nil, fmt.Errorf("create %s: %w", name, errAborted)
	case s.state != open:
		return nil, fmt.Errorf("create %s: %w", name, errClosed)
	case s.dir == "" && len(s.outputs) > 0:
		return nil, fmt.Errorf("create %s: %w", name, ErrSeveral)
	}
	o := &output{path: "-"}
	if s.w == nil {
		var err error
		if o.path, err = s.locate(name); err != nil {
			return nil, err
		}
		if err := o.open(s.temp); err != nil {
			return nil, fmt.Errorf("create %s: %w", o.path, plain(err))
		}
	}
	o.start(s)
	s.outputs = append(s.outputs, o)
	return o.file, nil
}

// locate returns the path of the file called name, in a directory that is there.
func (s *Files) locate(name string) (string, error) {
	if s.dir == "" {
		return s.path, nil
	}
	if name == "" || name == "." || name == ".." || name != filepath.Base(name) {
		return "", fmt.Errorf("create %q in %s: not the name of a file", name, s.dir)
	}
	path := filepath.Join(s.dir, name)
	if slices.ContainsFunc(s.outputs, func(o *output) bool { return o.path == path }) {
		return "", fmt.Errorf("create %s: written twice", path)
	}
	made, err := makeDirs(s.dir)
	s.made = append(s.made, made...)
	if err != nil {
		return "", fmt.Errorf("make directory %s: %w", s.dir, plain(err))
	}
	return path, nil
}

func (s *Files) isAborted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == aborted
}

// Commit implements [Sink]. Every file must have been closed without an error.
func (s *Files) Commit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case aborted:
		return errAborted
	case committed:
		return nil
	}
	for _, o := range s.outputs {
		if !o.closed {
			return fmt.Errorf("write %s: not complete", o.path)
		}
		if o.err != nil {
			return o.err
		}
	}
	for i, o := range s.outputs {
		err := o.publish()
		if err == nil {
			continue
		}
		err = fmt.Errorf("put %s in its place: %w", o.path, plain(err))
		for _, before := range slices.Backward(s.outputs[:i]) {
			err = errors.Join(err, before.takeBack())
		}
		return err
	}
	for _, o := range s.outputs {
		s.results = append(s.results, Result{Path: o.path, Size: o.size, Digest: o.digest, Info: o.finish()})
	}
	s.state = committed
	return nil
}

// Abort implements [Sink].
func (s *Files) Abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != open {
		return
	}
	s.state = aborted
	for _, o := range s.outputs {
		o.discard()
	}
	for _, dir := range slices.Backward(s.made) {
		_ = os.Remove(dir) // not if something else is in it by now
	}
}

// Results returns what was written, in the order in which it was created;
// nothing before Commit.
func (s *Files) Results() []Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.results)
}

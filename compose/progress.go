package compose

// Progress is told what is going on. Its methods may be called from many
// goroutines.
type Progress interface {
	// Start begins a task. Stage is "resolve", "verify", "fetch", "unpack", "write" or "push"; name is an
	// image's or a file's; total is its size in bytes, 0 if that is not known.
	Start(stage, name string, total int64) Task
}

// Task is one thing that is being done.
type Task interface {
	Add(n int64) // n more bytes are done
	Done()       // it has ended, well or not
}

// start begins a task of a Progress that may be nil.
func start(p Progress, stage, name string, total int64) Task {
	if p == nil {
		return silent{}
	}
	return p.Start(stage, name, total)
}

type silent struct{}

func (silent) Add(int64) {}
func (silent) Done()     {}

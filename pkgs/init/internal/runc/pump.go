package runc

import (
	"io"
	"os"
	"time"
)

// Pump carries what processes write to a writer.
type Pump struct {
	in, out *os.File
	ended   chan struct{}
}

// NewPump returns a pump to w. An error of w does not end it, for nobody must
// wait for a full pipe: what cannot be written is lost.
func NewPump(w io.Writer) (*Pump, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &Pump{in: in, out: out, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		buf := make([]byte, 32<<10)
		for {
			n, err := in.Read(buf)
			if n > 0 {
				_, _ = w.Write(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	return p, nil
}

// File is the end to give to a process.
func (p *Pump) File() *os.File { return p.out }

// Started says that the processes have their end: the pump ends when they do.
func (p *Pump) Started() { _ = p.out.Close() }

// Stop waits for the end of the output, but no longer than patience: somebody
// outside may hold the pipe.
func (p *Pump) Stop(patience time.Duration) {
	_ = p.out.Close()
	_ = p.in.SetReadDeadline(time.Now().Add(patience))
	<-p.ended
	_ = p.in.Close()
}

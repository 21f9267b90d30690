// Package control is how a person talks to init: a unix socket, and the
// commands service, poweroff, reboot and halt that use it.
//
// A connection is one question: a line of JSON, a line of JSON as the answer
// and, for logs, the text after it until the end.
//
//	{"verb":"restart","service":"nginx"}
//	{"error":"there is no service \"nginx\": there are sshd"}
package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/supervise"
)

const (
	// DefaultSocket is where init listens.
	DefaultSocket = "/run/init/control"
	// requestLimit is the longest question, in bytes.
	requestLimit = 4096
	// answerLimit is the longest first line of an answer, in bytes.
	answerLimit = 1 << 20
	// hurry is how long a question may take to come.
	hurry = 10 * time.Second
)

// Request is a question.
type Request struct {
	// Verb is list, start, stop, restart, logs, poweroff, reboot or halt.
	Verb string `json:"verb"`
	// Service is the name of the service that start, stop and restart are about, or of
	// the log.
	Service string `json:"service,omitempty"`
	// Lines is how many lines logs begins with; a negative number means all.
	Lines int `json:"lines,omitempty"`
	// Follow lets logs go on.
	Follow bool `json:"follow,omitempty"`
}

// Answer is the answer.
type Answer struct {
	// Error says why not; it is empty when all went well.
	Error string `json:"error,omitempty"`
	// Services is the answer to list.
	Services []supervise.Status `json:"services,omitempty"`
	// Now is the system's time.
	Now time.Time `json:"now"`
}

// ParseRequest reads a question, without its end of line.
func ParseRequest(line []byte) (Request, error) {
	var r Request
	if len(line) > requestLimit {
		return r, fmt.Errorf("a question has at most %d bytes", requestLimit)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Request{}, fmt.Errorf("this is no question: %w", err)
	}
	if d.More() {
		return Request{}, errors.New("this is more than one question")
	}
	switch r.Verb {
	case "list", "poweroff", "reboot", "halt":
		if r.Service != "" {
			return Request{}, fmt.Errorf("%s is not about a service", r.Verb)
		}
	case "start", "stop", "restart", "logs":
		if r.Service == "" {
			return Request{}, fmt.Errorf("%s: which service?", r.Verb)
		}
	default:
		return Request{}, fmt.Errorf("there is no verb %q", r.Verb)
	}
	return r, nil
}

// readLine reads a line of at most limit bytes, and returns it without its end.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > limit+1:
			return nil, fmt.Errorf("a line of more than %d bytes", limit)
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/composeos/compose/test/examples/children"
)

// emulator is what the machine is.
const emulator = "qemu-system-x86_64"

// The cases of the example web.
const (
	firstPage = "first page"
	webInitrd = "web initramfs"
	webInit   = "init"
)

// bootCases look at a system made of the packages that come with compose.
func bootCases() []benchCase {
	return []benchCase{
		{name: firstPage, what: "QEMU, emulating, from its start until it serves a page", run: served},
		once(benchCase{name: webInitrd, what: "of examples/web.yml; its size", run: webInitrdSize}),
		once(benchCase{name: webInit, what: "the program of pkgs/init; its size", run: webInitSize}),
	}
}

// bootTime is how long a machine may take to serve a page.
const bootTime = 3 * time.Minute

// served starts the example web, waits for a page, and ends the machine.
func served(ctx context.Context, s *stand) (u usage, err error) {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	port, err := freePort(ctx)
	if err != nil {
		return u, err
	}
	published := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	cmd := exec.CommandContext(ctx, s.compose, "run", "-accel", "tcg", "-append", "no_timer_check", "-publish", published+":80", s.web)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return u, err
	}
	err = awaitPage(ctx, "http://"+published+"/")
	u.wall = time.Since(begin)
	if err == nil {
		u.cpu, err = children.CPU(cmd.Process.Pid)
	}
	_ = cmd.Process.Signal(syscall.SIGINT) // presses the power button
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return u, fmt.Errorf("%w\n%s", err, said.Bytes()[max(0, said.Len()-2000):])
	}
	return u, nil
}

// awaitPage asks for a page until it comes.
func awaitPage(ctx context.Context, url string) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := askPage(ctx, client, url)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("no page: %w", err)
		}
	}
}

func askPage(ctx context.Context, client *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

// freePort returns a port of TCP that nobody listens to.
func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

func webInitrdSize(_ context.Context, s *stand) (u usage, err error) {
	u.size, err = sizeOf(s.web + "-initrd.img")
	return u, err
}

func webInitSize(ctx context.Context, s *stand) (usage, error) {
	out, err := exec.CommandContext(ctx, s.compose, "inspect", "-json", s.web+"-initrd.img").Output()
	if err != nil {
		return usage{}, fmt.Errorf("inspect: %w", err)
	}
	var shown struct {
		Entries []struct {
			Path string
			Size int64
		}
	}
	if err := json.Unmarshal(out, &shown); err != nil {
		return usage{}, fmt.Errorf("inspect: %w", err)
	}
	for _, e := range shown.Entries {
		if e.Path == "init" {
			return usage{size: e.Size}, nil
		}
	}
	return usage{}, errors.New("the example web has no init")
}

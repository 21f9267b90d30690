package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The cases that fetch the workload from a registry.
const (
	fetched  = "tar fetched" + cold
	bySkopeo = "skopeo copy"
)

// registryCases fetch the images of the workload from Debian's docker-registry on this
// machine, the one case with compose, the other with skopeo.
func registryCases() []benchCase {
	return []benchCase{
		{name: fetched, what: "build from a registry here, with an empty cache and no lock", run: buildFetched},
		{name: bySkopeo, what: "skopeo copy of the same images, one by one, to a layout", run: skopeoCopied},
	}
}

// registryConfiguration is docker-registry's: a folder, an address.
const registryConfiguration = "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n"

// buildFetched composes from a registry that stands for Docker Hub.
func buildFetched(ctx context.Context, s *stand) (u usage, err error) {
	err = s.withRegistry(ctx, func(host string) error {
		cache := s.path("fetched-cache")
		if err := errors.Join(os.RemoveAll(cache), os.RemoveAll(s.path("out")), s.unlock(), s.settle()); err != nil {
			return err
		}
		defer os.RemoveAll(cache)
		u, err = measure(ctx, s.compose, "build", "-cache", cache, "-progress", "none", "-accept-unsigned", "*", "-arch", "amd64",
			"-registry-mirror", "docker.io="+host, "-format", "tar", "-dir", s.path("out"), s.manifest)
		return err
	})
	return u, err
}

// skopeoCopied copies the images with skopeo.
func skopeoCopied(ctx context.Context, s *stand) (u usage, err error) {
	names, err := imageNames(s.layout)
	if err != nil {
		return u, err
	}
	err = s.withRegistry(ctx, func(host string) error {
		to := s.path("skopeo")
		if err := errors.Join(os.RemoveAll(to), s.settle()); err != nil {
			return err
		}
		defer os.RemoveAll(to)
		for _, name := range names {
			inHub := strings.TrimPrefix(name, "docker.io/")
			v, err := measure(ctx, "skopeo", "copy", "--quiet", "--all", "--src-tls-verify=false", "docker://"+host+"/"+inHub, "oci:"+to+":"+tagOf(inHub))
			if err != nil {
				return err
			}
			u = u.plus(v)
		}
		return nil
	})
	return u, err
}

// tagOf makes a tag of a name.
func tagOf(name string) string { return strings.NewReplacer("/", "-", ":", "-").Replace(name) }

// withRegistry runs do with a registry that has the images of the workload. They are
// pushed once; the registry is started and ended each time, so that nothing of another
// case pays for it.
func (s *stand) withRegistry(ctx context.Context, do func(host string) error) (err error) {
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	host := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	config := s.path("registry.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, registryConfiguration, s.path("registry"), host), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "docker-registry", "serve", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}()
	if err := awaitRegistry(ctx, host); err != nil {
		return fmt.Errorf("docker-registry: %w\n%s", err, said.String())
	}
	if err := s.fill(ctx, host); err != nil {
		return err
	}
	return do(host)
}

// fill pushes the images, unless they are there.
func (s *stand) fill(ctx context.Context, host string) error {
	if _, err := os.Stat(s.path("registry", "full")); err == nil {
		return nil
	}
	names, err := imageNames(s.layout)
	if err != nil {
		return err
	}
	for _, name := range names {
		_, err := measure(ctx, s.compose, "push", "-progress", "none", "oci:"+s.layout+":"+name, host+strings.TrimPrefix(name, "docker.io"))
		if err != nil {
			return err
		}
	}
	return os.WriteFile(s.path("registry", "full"), nil, 0o600)
}

// registryTime is how long a registry may take to answer.
const registryTime = 20 * time.Second

// awaitRegistry asks a registry until it answers.
func awaitRegistry(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, registryTime)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := askPage(ctx, http.DefaultClient, "http://"+host+"/v2/")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-again.C:
		}
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree makes files below a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       map[string]string // what has changed below /proc/sys
		n          int
		err        string
	}{
		{"dots", "# a comment\n; another\n\nnet.ipv4.ip_forward = 1\n", map[string]string{"net/ipv4/ip_forward": "1\n"}, 1, ""},
		{"slashes", "net/ipv4/ip_forward=1", map[string]string{"net/ipv4/ip_forward": "1\n"}, 1, ""},
		{"a dot in a name", "net.ipv4.conf.eth0/1.fwd = 1\nnet/ipv4/conf/eth0.1/fwd=2", map[string]string{"net/ipv4/conf/eth0.1/fwd": "2\n"}, 2, ""},
		{"spaces in a value", "kernel.printk = 4 4\t1 7 ", map[string]string{"kernel/printk": "4 4\t1 7\n"}, 1, ""},
		{"no value", "kernel.core_pattern =", map[string]string{"kernel/core_pattern": "\n"}, 1, ""},
		{"a pattern", "net.ipv4.conf.*.fwd = 1", map[string]string{"net/ipv4/conf/eth0/fwd": "1\n", "net/ipv4/conf/eth0.1/fwd": "1\n"}, 2, ""},
		{"a pattern and what it leaves out", "net.ipv4.conf.*.fwd = 1\n-net.ipv4.conf.eth0.fwd", map[string]string{"net/ipv4/conf/eth0.1/fwd": "1\n"}, 1, ""},
		{"a pattern before what it leaves out", "net.ipv4.conf.*.fwd = 1\nnet.ipv4.conf.eth0.fwd = 5", map[string]string{"net/ipv4/conf/eth0/fwd": "5\n", "net/ipv4/conf/eth0.1/fwd": "1\n"}, 2, ""},
		{"unknown", "kernel.printk = 1\nkernel.nosuch = 1\nnet.ipv4.ip_forward = 1", map[string]string{"kernel/printk": "1\n", "net/ipv4/ip_forward": "1\n"}, 2, "10-x.conf:2: open"},
		{"unknown and tolerated", "-kernel.nosuch = 1", nil, 0, ""},
		{"no equals sign", "kernel.printk 1", nil, 0, `10-x.conf:1: "kernel.printk 1" is no "key = value"`},
		{"a way out", "../../etc/passwd = 1\n/etc/passwd = 1\n..kernel = 1", nil, 0, `10-x.conf:2: "/etc/passwd = 1" is no key`},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := map[string]string{
				"net/ipv4/ip_forward": "0", "net/ipv4/conf/eth0/fwd": "0", "net/ipv4/conf/eth0.1/fwd": "0",
				"kernel/printk": "0", "kernel/core_pattern": "0",
			}
			root := tree(t, before)
			file := filepath.Join(tree(t, map[string]string{"10-x.conf": c.text}), "10-x.conf")
			n, err := apply(root, []string{file})
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if n != c.n {
				t.Errorf("%d set, want %d", n, c.n)
			}
			changed := map[string]string{}
			for key, old := range before {
				if now, err := os.ReadFile(filepath.Join(root, key)); err != nil {
					t.Error(err)
				} else if string(now) != old {
					changed[key] = string(now)
				}
			}
			if c.want == nil {
				c.want = map[string]string{}
			}
			if d := cmp.Diff(c.want, changed); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestConfigured(t *testing.T) {
	etc := tree(t, map[string]string{"sysctl.d/20-b.conf": "", "sysctl.d/10-a.conf": "", "sysctl.d/readme": "", "sysctl.conf": ""})
	files, err := configured(etc)
	want := []string{etc + "/sysctl.d/10-a.conf", etc + "/sysctl.d/20-b.conf", etc + "/sysctl.conf"}
	if d := cmp.Diff(want, files); err != nil || d != "" {
		t.Error(err, d)
	}
	if files, err := configured(t.TempDir()); err != nil || len(files) > 0 {
		t.Error(files, err)
	}
}

func TestRun(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"-x"}, &out, &errs); code != 2 || !strings.Contains(errs.String(), "Usage: sysctl") {
		t.Error(code, errs.String())
	}
	if code := run([]string{filepath.Join(t.TempDir(), "none")}, &out, &errs); code != 1 {
		t.Error(code)
	}
}

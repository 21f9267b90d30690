package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// isoReadings are all that can be done with the files of an ISO.
func (m *media) isoReadings(v *medium, image string) {
	disk := func(text string) func(t *testing.T) *tree {
		return func(t *testing.T) *tree { return m.extracted(t, script(text, image)) }
	}
	v.reader("xorriso extracting", names|sizes|contents|modes|owners|days|minutes|seconds,
		disk(`xorriso -report_about WARNING -osirrox on -indev "stdio:$1" -extract / .`))
	v.reader("isoinfo -l -R", names|sizes|modes|owners|days, func(t *testing.T) *tree { return listIsoinfo(t, image, "-R") })
	v.reader("isoinfo -l", names|sizes|days, func(t *testing.T) *tree { return withISONames(v.want, listIsoinfo(t, image)) })
	v.reader("xorriso listing", names|sizes|modes|owners|days, func(t *testing.T) *tree { return listXorriso(t, image) })
	v.reader("bsdtar listing", names|sizes|modes|owners|days, func(t *testing.T) *tree { return listBsdtar(t, image) })
	v.reader("7z listing", names|sizes|modes|days|minutes|seconds, func(t *testing.T) *tree { return withoutBoot(list7z(t, image, "iso")) })
	if m.brief {
		return
	}
	v.reader("bsdtar extracting", names|sizes|contents|modes|owners|days|minutes|seconds, disk(`bsdtar -xpf "$1"`))
	v.reader("isoinfo -x", names|sizes|contents, func(t *testing.T) *tree { return isoinfoContents(t, image) })
	v.reader("7z extracting", names|sizes|contents|days|minutes|seconds, func(t *testing.T) *tree {
		return withoutBoot(m.extracted(t, []string{"7z", "x", "-y", "-bso0", "-tiso", image}))
	})
}

// extracted is what a reader writes into a new folder.
func (m *media) extracted(t *testing.T, args []string) *tree {
	t.Helper()
	return (&composed{work: m.work}).unpacked(t, reader{args: args}, nil)
}

// withoutBoot is without what 7z makes of the boot catalog.
func withoutBoot(t *tree) *tree {
	t.remove("[BOOT]")
	return t
}

// kindOfMode splits "-r--r--r--" into a kind and a mode.
func kindOfMode(t *testing.T, text string) (kind string, mode uint32) {
	t.Helper()
	if len(text) < 10 {
		t.Fatalf("the mode %q", text)
	}
	kind = map[byte]string{'-': "file", 'd': "directory"}[text[0]]
	for i := range 9 {
		switch text[1+i] {
		case '-':
		case "rwx"[i%3]:
			mode |= 0o400 >> i
		default:
			t.Fatalf("the mode %q", text)
		}
	}
	return kind, mode
}

// listedRecord is what a line like those of "ls -l" tells.
func listedRecord(t *testing.T, mode, uid, gid, size, date string) *record {
	t.Helper()
	r := &record{}
	r.kind, r.mode = kindOfMode(t, mode)
	r.uid, r.gid = uint32(number(t, uid)), uint32(number(t, gid))
	r.size, r.sum = number(t, size), ""
	r.mtime = listedDay(t, date, time.Now()).Unix()
	return r
}

// listedDay is the day of a date like those of "ls -l": where it tells the minute in
// place of the year, it is the one nearest to now.
func listedDay(t *testing.T, date string, now time.Time) time.Time {
	t.Helper()
	date = strings.Join(strings.Fields(date), " ")
	day, err := time.Parse("Jan 2 2006", date)
	if err == nil {
		return day
	}
	if day, err = time.Parse("2006 Jan 2 15:04", strconv.Itoa(now.Year())+" "+date); err != nil {
		t.Fatal(err)
	}
	const halfYear = 183 * 24 * time.Hour
	switch apart := day.Sub(now); {
	case apart > halfYear:
		day = day.AddDate(-1, 0, 0)
	case apart < -halfYear:
		day = day.AddDate(1, 0, 0)
	}
	return day.Truncate(24 * time.Hour)
}

func TestListedDay(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for date, want := range map[string]string{
		"Jun 22 2026": "2026-06-22", "Jun 22 21:30": "2026-06-22", "Jan  2 03:04": "2027-01-02", "Nov 21 23:59": "2026-11-21",
	} {
		if got := listedDay(t, date, now).Format(time.DateOnly); got != want {
			t.Errorf("%q is %s, want %s", date, got, want)
		}
	}
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// matches takes a line apart.
func matches(t *testing.T, pattern, line string) []string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(line)
	if found == nil {
		t.Fatalf("listed as %q", line)
	}
	return found
}

func listXorriso(t *testing.T, image string) *tree {
	t.Helper()
	got := newTree()
	text := reader{args: []string{"xorriso", "-report_about", "WARNING", "-indev", "stdio:" + image, "-find", "/", "-exec", "lsdl", "--"}}.run(t)
	for _, line := range lines(text) {
		f := matches(t, `^(\S+) +\d+ (\d+) +(\d+) +(\d+) (\w+ +\d+ +[\d:]+) '/(.*)'$`, line)
		got.entries[f[6]] = listedRecord(t, f[1], f[2], f[3], f[4], f[5])
	}
	return got
}

func listBsdtar(t *testing.T, image string) *tree {
	t.Helper()
	got := newTree()
	for _, line := range lines(reader{args: []string{"bsdtar", "-tvf", image}}.run(t)) {
		f := matches(t, `^(\S+) +\d+ (\d+) +(\d+) +(\d+) (\w+ +\d+ +[\d:]+) (.*)$`, line)
		got.entries[strings.TrimSuffix(f[6], ".")] = listedRecord(t, f[1], f[2], f[3], f[4], f[5]) // "." is the root
	}
	return got
}

// isoinfoEntry is a line of isoinfo's.
type isoinfoEntry struct {
	*record
	path   string
	sector int64
}

// isoinfoLines read "isoinfo -l": lists of folders.
func isoinfoLines(t *testing.T, image string, with ...string) []isoinfoEntry {
	t.Helper()
	var all []isoinfoEntry
	dir := ""
	for _, line := range lines(reader{args: append([]string{"isoinfo", "-l", "-i", image}, with...)}.run(t)) {
		if name, ok := strings.CutPrefix(line, "Directory listing of /"); ok {
			dir = name
			continue
		}
		if line == "" {
			continue
		}
		f := matches(t, `^(\S+) +\d+ +(\d+) +(\d+) +(\d+) (\w+ +\d+ +\d+) \[ *(\d+) 0[02]\]  (.*) $`, line)
		if f[7] != "." && f[7] != ".." {
			all = append(all, isoinfoEntry{listedRecord(t, f[1], f[2], f[3], f[4], f[5]), dir + f[7], number(t, f[6])})
		}
	}
	return all
}

func listIsoinfo(t *testing.T, image string, with ...string) *tree {
	t.Helper()
	got := newTree()
	for _, e := range isoinfoLines(t, image, with...) {
		got.entries[e.path] = e.record
	}
	return got
}

// isoSectors are where files lie, in sectors of 2048 bytes.
func isoSectors(t *testing.T, image string) map[string]int64 {
	t.Helper()
	sectors := map[string]int64{}
	for _, e := range isoinfoLines(t, image, "-R") {
		sectors[e.path] = e.sector
	}
	return sectors
}

// isoName is how ISO 9660 alone has a path (ECMA-119 7.5), as isoinfo shows it.
func isoName(p string, kind string) string {
	parts := strings.Split(strings.ToUpper(p), "/")
	for i, part := range parts {
		if rest, ok := strings.CutPrefix(part, "."); ok {
			parts[i] = "0" + rest
		}
	}
	name := strings.Join(parts, "/")
	if kind == "directory" {
		return name
	}
	if !strings.Contains(parts[len(parts)-1], ".") {
		name += "."
	}
	return name + ";1"
}

// withISONames undoes what isoName does with the paths of want.
func withISONames(want, got *tree) *tree {
	long := newTree()
	for p, r := range want.entries {
		if name := isoName(p, r.kind); got.entries[name] != nil {
			long.entries[p] = got.entries[name]
			delete(got.entries, name)
		}
	}
	for name, r := range got.entries { // nobody expects them
		name = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), ";1"), ".")
		long.entries[strings.Replace(name, "0disk/", ".disk/", 1)] = r
	}
	return long
}

// isoinfoContents has isoinfo write out every file.
func isoinfoContents(t *testing.T, image string) *tree {
	t.Helper()
	got := listIsoinfo(t, image, "-R")
	for p, r := range got.entries {
		if r.kind == "file" {
			*r = *textRecord(reader{args: []string{"isoinfo", "-i", image, "-R", "-x", "/" + p}}.run(t))
		}
	}
	return got
}

// list7z reads "7z l -slt". kind is the archive's.
func list7z(t *testing.T, image, kind string) *tree {
	t.Helper()
	got := newTree()
	all, err := entries7z(t, image, kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		r := &record{kind: map[string]string{"+": "directory", "-": "file", "": "file"}[e["Folder"]]}
		if text := e["Mode"]; text != "" {
			_, r.mode = kindOfMode(t, text)
		}
		if text := e["Size"]; text != "" {
			r.size = number(t, text)
		}
		if text := e["Modified"]; text != "" {
			r.mtime = time7z(t, text)
		}
		for _, other := range []string{"Created", "Accessed"} { // FAT: to the hundredth, and the day
			if text, ok := e[other]; ok && time7z(t, text)/86400 != r.mtime/86400 || other == "Created" && ok && time7z(t, text) != r.mtime {
				r.kind = fmt.Sprintf("%s that is %s %s", r.kind, strings.ToLower(other), text)
			}
		}
		got.entries[e["Path"]] = r
	}
	return got
}

func time7z(t *testing.T, text string) int64 {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05", strings.TrimSuffix(text, ".00"))
	if err != nil {
		t.Fatal(err)
	}
	return at.Unix()
}

// entries7z are the properties of everything that 7z finds in an image.
func entries7z(t *testing.T, image, kind string) ([]map[string]string, error) {
	t.Helper()
	text, err := reader{args: []string{"7z", "l", "-slt", "-t" + kind, image}}.try(t)
	_, list, _ := strings.Cut(text, "\n----------\n")
	var all []map[string]string
	for block := range strings.SplitSeq(list, "\n\n") {
		e := map[string]string{}
		for _, line := range lines(block) {
			if key, value, ok := strings.Cut(line, " ="); ok {
				e[key] = strings.TrimPrefix(value, " ")
			}
		}
		if e["Path"] != "" {
			all = append(all, e)
		}
	}
	return all, err
}

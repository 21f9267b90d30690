package main

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"
)

// results are what was found.
type results struct {
	medians     map[string]usage      // by the case
	differences map[string]difference // by what was changed
	own         int64                 // memory of this program while it measured: see ownMemory
}

// What follows is NaN, and so no limit is kept, where something was not measured.

// cpu is how many times the processor time of b that of a is.
func (r results) cpu(a, b string) float64 { return ratio(r.medians[a].cpu, r.medians[b].cpu) }

// wall is the same of time on the clock.
func (r results) wall(a, b string) float64 { return ratio(r.medians[a].wall, r.medians[b].wall) }

// size is the same of what was written.
func (r results) size(a, b string) float64 { return ratio(r.medians[a].size, r.medians[b].size) }

func ratio[T time.Duration | int64](a, b T) float64 {
	if a <= 0 || b <= 0 {
		return math.NaN()
	}
	return float64(a) / float64(b)
}

// members is how many members of the initramfs are new after that change.
func (r results) members(change string) float64 { return counted(r.differences[change].members) }

// layers is the same of the layers of the image.
func (r results) layers(change string) float64 { return counted(r.differences[change].layers) }

// counted is n; after each change something is new.
func counted(n int) float64 {
	if n <= 0 {
		return math.NaN()
	}
	return float64(n)
}

// rss is the most that any of the cases has taken for which is holds, MB.
func (r results) rss(is func(name string) bool) float64 {
	most := math.NaN()
	for _, c := range cases() {
		if !is(c.name) {
			continue
		}
		mb := ratio(r.medians[c.name].rss, 1e6)
		if math.IsNaN(mb) {
			return mb
		}
		if !(mb <= most) {
			most = mb
		}
	}
	return most
}

func isTar(name string) bool {
	return slices.Contains([]string{"tar" + cold, "tar warm", "tar unchanged"}, name)
}
func isCold(name string) bool { return strings.HasSuffix(name, cold) }

// figure is something that is told of the results.
type figure struct {
	what  string
	value func(r results) float64
}

// limit is a figure that may not be larger.
type limit struct {
	most float64
	time bool // depends on how busy the machine is
	figure
}

// limits are those that a build has to keep.
func limits() []limit {
	return []limit{
		{1.5, true, figure{"CPU of a cold tar build / CPU of gzip -dc, zstd -dc of the layers", func(r results) float64 { return r.cpu("tar cold", "inflate") }}},
		{1.5, true, figure{"CPU of a tar build from a registry / CPU of a cold one", func(r results) float64 { return r.cpu(fetched, "tar cold") }}},
		{1.5, true, figure{"wall of a warm tar build / wall of cp and SHA-256", func(r results) float64 { return r.wall("tar warm", "copy and sum") }}},
		{100, true, figure{"wall of a tar build with nothing changed, ms", func(r results) float64 { return ratio(r.medians["tar unchanged"].wall, time.Millisecond) }}},
		{1.5, true, figure{"wall of a warm docker build / wall of cp", func(r results) float64 { return r.wall("docker warm", "docker copy") }}},
		{0.1, true, figure{"CPU of a warm kernel+initrd build / CPU of a cold one", func(r results) float64 { return r.cpu("kernel+initrd warm", "kernel+initrd cold") }}},
		{2, true, figure{"CPU with one file changed / CPU of the warm build", func(r results) float64 { return r.cpu(oneFile, "kernel+initrd warm") }}},
		{4, true, figure{"CPU with one package of 60 MB changed / CPU of the warm build", func(r results) float64 { return r.cpu(onePackage, "kernel+initrd warm") }}},
		{3, false, figure{"new members of the initramfs with one file changed", func(r results) float64 { return r.members(oneFile) }}},
		{3, false, figure{"new members of the initramfs with one package changed", func(r results) float64 { return r.members(onePackage) }}},
		{1, false, figure{"new layers of the oci image with one file changed", func(r results) float64 { return r.layers(oneFile) }}},
		{1, false, figure{"new layers of the oci image with one package changed", func(r results) float64 { return r.layers(onePackage) }}},
		{1.5, true, figure{"CPU of an ISO of 1.2 GB / CPU of xorriso -as mkisofs", func(r results) float64 { return r.cpu("iso plain", "xorriso") }}},
		{1.5, true, figure{"wall of an ISO with one file changed / wall of cp and SHA-256", func(r results) float64 { return r.wall("iso changed", "iso copy and sum") }}},
		{2, true, figure{"wall of a warm ISO / wall of cp", func(r results) float64 { return r.wall("iso warm", "iso copy") }}},
		{10, false, figure{"what an ISO has beside kernel and initramfs, MB", func(r results) float64 {
			return ratio(r.medians["iso warm"].size-r.medians["kernel+initrd warm"].size, 1e6)
		}}},
		{64, false, figure{"RSS of an ISO of 1.2 GB, MB", func(r results) float64 { return ratio(r.medians["iso plain"].rss, 1e6) }}},
		{8, true, figure{"CPU of an emulated machine until the first page, s", func(r results) float64 { return ratio(r.medians[firstPage].cpu, time.Second) }}},
		{20, false, figure{"the initramfs of examples/web.yml, MB", func(r results) float64 { return ratio(r.medians[webInitrd].size, 1e6) }}},
		{35, false, figure{"the program compose, MB", func(r results) float64 { return ratio(r.medians[started].size, 1e6) }}},
		{30, true, figure{"wall of compose version, ms", func(r results) float64 { return ratio(r.medians[started].wall, time.Millisecond) }}},
		{4, false, figure{"the program init, MB", func(r results) float64 { return ratio(r.medians[webInit].size, 1e6) }}},
		{64, false, figure{"RSS, the most of any tar build, MB", func(r results) float64 { return r.rss(isTar) }}},
		{128, false, figure{"RSS, the most of a cold build of any format, MB", func(r results) float64 { return r.rss(isCold) }}},
		{48, false, figure{"RSS of this program, less than which it cannot measure, MB", func(r results) float64 { return ratio(r.own, 1e6) }}},
	}
}

// figures are told beside the limits.
func figures() []figure {
	return []figure{
		{"wall of a tar build from a registry / wall of skopeo copy of the images", func(r results) float64 { return r.wall(fetched, bySkopeo) }},
		{"CPU of a tar build from a registry / CPU of skopeo copy of the images", func(r results) float64 { return r.cpu(fetched, bySkopeo) }},
		{"wall of an ISO with one file changed / wall of cp", func(r results) float64 { return r.wall("iso changed", "iso copy") }},
		{"CPU with every file of that package changed / CPU of the warm build", func(r results) float64 { return r.cpu(wholePackage, "kernel+initrd warm") }},
		{"CPU of an initramfs by gzip / CPU of gzip -6", func(r results) float64 { return r.cpu("encode gzip", "gzip -6") }},
		{"wall of an initramfs by gzip / wall of gzip -6", func(r results) float64 { return r.wall("encode gzip", "gzip -6") }},
		{"wall of an initramfs by gzip / wall of pigz -6", func(r results) float64 { return r.wall("encode gzip", "pigz -6") }},
		{"size of an initramfs by gzip / size by gzip -6", func(r results) float64 { return r.size("encode gzip", "gzip -6") }},
		{"CPU of an initramfs by zstd / CPU of zstd -3", func(r results) float64 { return r.cpu("encode zstd", "zstd -3") }},
		{"wall of an initramfs by zstd / wall of zstd -3", func(r results) float64 { return r.wall("encode zstd", "zstd -3") }},
		{"size of an initramfs by zstd / size by zstd -3", func(r results) float64 { return r.size("encode zstd", "zstd -3") }},
	}
}

// exceeded returns an error that names each limit that is not kept. Limits of
// time are multiplied by slack.
func exceeded(r results, slack float64) error {
	var over []string
	for _, l := range limits() {
		if !l.kept(r, slack) {
			over = append(over, l.what)
		}
	}
	if len(over) > 0 {
		return errors.New("limits exceeded: " + strings.Join(over, "; "))
	}
	return nil
}

// at is what the limit is with that slack.
func (l limit) at(slack float64) float64 {
	if l.time {
		return l.most * slack
	}
	return l.most
}

// kept is false for NaN too.
func (l limit) kept(r results, slack float64) bool { return l.value(r) <= l.at(slack) }

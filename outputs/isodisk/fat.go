package isodisk

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/filesystem/fat12"
	"github.com/diskfs/go-diskfs/filesystem/fat16"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
)

// Sizes of FAT volumes that firmware, kernels and go-diskfs take for the same kind,
// bytes: below, there are too few clusters for the kind; above, too many. Up to
// maxFAT32 a cluster has at most maxCluster bytes.
const (
	minFAT16   = 5 << 20
	maxFAT16   = 32 << 20
	minFAT32   = 40 << 20
	maxFAT32   = 8 << 30
	maxCluster = 4096
)

// maxFAT is the largest size of a file in a FAT volume: where the clusters of one have
// 4 GiB, fsck.fat 4.2 counts none, and cuts the file (dosfstools issue 208).
const maxFAT = 1<<32 - maxCluster

// SizeFAT returns the size of the smallest FAT volume of whole MiB for the files.
func SizeFAT(files []File) int64 {
	need := int64(256 << 10)
	for _, f := range files {
		need += upTo(f.Size, maxCluster) + 2*entrySize
	}
	need += int64(len(directories(files))) * maxCluster
	need += need / 64 // two tables, of 4 bytes a cluster of 512
	switch size := upTo(need, 1<<20); {
	case size <= maxFAT16:
		return max(size, minFAT16)
	default:
		return max(size, minFAT32)
	}
}

// NewFAT lays out a FAT16 or FAT32 volume of a size that [SizeFAT] gave, or of more
// whole MiB, up to 8 GiB; of FAT32, up to two clusters at its end may be left out. The
// content of the files that come without it lies behind all else, in the order given.
// Errors that are due to the input are [ErrEnvelope].
func NewFAT(v Volume, size int64) (*Image, error) {
	if err := v.check(release(), asIs); err != nil {
		return nil, err
	}
	if err := v.fits(size); err != nil {
		return nil, err
	}
	m := &Image{Size: size}
	without, err := m.createFAT(v)
	if err != nil {
		return nil, fmt.Errorf("lay out a FAT volume: %w", err)
	}
	if err := m.normaliseFAT(v, without); err != nil {
		return nil, err
	}
	return m, nil
}

// fits returns why a FAT volume of so many bytes cannot hold the files.
func (v Volume) fits(size int64) error {
	short := v.Label[:min(len(v.Label), 8)] + "." + v.Label[min(len(v.Label), 8):]
	for _, f := range v.Files {
		if strings.EqualFold(f.Path, strings.TrimSuffix(short, ".")) {
			return fmt.Errorf("%w: %s: has the name of the label", ErrEnvelope, f.Path)
		}
		if f.Size > maxFAT {
			return fmt.Errorf("%w: %s: %d bytes are over %d, the most that a file of a FAT volume can have", ErrEnvelope, f.Path, f.Size, int64(maxFAT))
		}
	}
	if size < SizeFAT(v.Files) || size > maxFAT32 || size%(1<<20) != 0 || size > maxFAT16 && size < minFAT32 {
		return fmt.Errorf("%w: a FAT volume of %d bytes", ErrEnvelope, size)
	}
	return nil
}

// asIs is the path of a file in a volume that has it as it is.
func asIs(path string) string { return path }

// createFAT has go-diskfs write the volume, and returns the clusters that it gave to
// the files without content. They come last.
func (m *Image) createFAT(v Volume) (without []uint32, err error) {
	volume, err := m.emptyFAT(v.Label)
	if err != nil {
		return nil, err
	}
	for _, dir := range directories(v.Files) {
		if err := volume.Mkdir("/" + dir); err != nil {
			return nil, err
		}
	}
	for _, whole := range []bool{true, false} {
		for _, f := range v.Files {
			if whole != (f.Data != nil) {
				continue
			}
			cluster, err := addFAT(volume, f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.Path, err)
			}
			if !whole {
				without = append(without, cluster)
			}
		}
	}
	return without, nil
}

func (m *Image) emptyFAT(label string) (filesystem.FileSystem, error) {
	if m.Size <= maxFAT16 {
		return fat16.Create(storage{&m.memory}, m.Size, 0, Sector, label, true)
	}
	return fat32.Create(storage{&m.memory}, m.Size, 0, Sector, label, true)
}

// addFAT makes a file, and returns its first cluster. One without content is empty,
// and go-diskfs gives it a cluster all the same.
func addFAT(volume filesystem.FileSystem, f File) (cluster uint32, err error) {
	opened, err := volume.OpenFile("/"+f.Path, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	file, ok := opened.(*fat12.File)
	if !ok {
		return 0, unknown("kind of file")
	}
	if f.Data != nil {
		if n, err := file.Write(f.Data); err != nil || n < len(f.Data) {
			return 0, cmp.Or(err, io.ErrShortWrite)
		}
	}
	chain, err := file.GetClusterChain()
	if err != nil {
		return 0, err
	}
	return chain[0], nil
}

// normaliseFAT sets what go-diskfs cannot be told. without are the clusters that it gave
// to files without content.
//
//	boot sectors         serial number; of FAT32, how many sectors there are: for some
//	                     sizes, go-diskfs makes tables without an entry for each cluster
//	directory entries    times; where a file without content lies, and its size; ".."
//	                     of a directory in the root, which is 0
//	tables               the clusters of files without content; of FAT16, cluster 2,
//	                     which go-diskfs takes for a root directory that is elsewhere
//	FSInfo               how many clusters are free, and where the next one is
func (m *Image) normaliseFAT(v Volume, without []uint32) error {
	f, err := m.readFAT()
	if err != nil {
		return err
	}
	f.time, f.files = v.Time, v.Files
	for _, at := range f.bootSectors() {
		m.put(at+f.serialAt(), binary.LittleEndian.AppendUint32(nil, v.ID)...)
		if f.width == 4 {
			m.put(at+32, binary.LittleEndian.AppendUint32(nil, f.sectors)...)
		}
	}
	if f.rootCluster == 0 {
		without = append(without, 2)
	}
	for _, cluster := range without {
		f.set(cluster, 0)
	}
	if err := f.place(); err != nil {
		return err
	}
	if f.rootCluster == 0 {
		err = f.directory(f.rootAt, f.rootEntries, "")
	} else {
		err = f.chain(f.rootCluster, "")
	}
	if err != nil {
		return err
	}
	if len(f.placed) > 0 {
		return unknown("names of files")
	}
	f.writeTables()
	return nil
}

package isodisk

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// fatFields are the fields of a volume: serial numbers, entries, tables and FSInfo.
// Where they are is what a strict reader says.
func fatFields(m *Image, tree *fatTree, v Volume) []field {
	le := binary.LittleEndian
	serial := le.AppendUint32(nil, v.ID)
	boot := m.bytes(0, 512)
	tableAt := int64(le.Uint16(boot[14:])) * 512
	fields := []field{{"serial number", 39, serial, set}}
	per := int64(le.Uint16(boot[22:])) * 512
	if tree.bits == 32 {
		per = int64(le.Uint32(boot[36:])) * 512
		fields = []field{{"serial number", 67, serial, set}, {"serial number", 6*512 + 67, serial, set}}
		if m.Size == shortTables {
			sectors := le.AppendUint32(nil, shortTables/512-2)
			fields = append(fields, field{"sectors", 32, sectors, set}, field{"sectors", 6*512 + 32, sectors, set})
		}
		info := m.bytes(512, 512)
		for _, at := range []int64{512, 7 * 512} {
			fields = append(fields, field{"free clusters", at + 488, info[488:492], set}, field{"next cluster", at + 492, info[492:496], set})
		}
	} else {
		fields = append(fields, field{"cluster 2", tableAt + 4, []byte{0, 0}, set}, field{"cluster 2", tableAt + per + 4, []byte{0, 0}, set})
	}
	day, second := []byte{0x6e, 0x57}, []byte{0xaa, 0xb1} // 2023-11-14 22:13:20
	extents := map[string]Extent{}
	for _, e := range m.Extents {
		extents[e.Path] = e
	}
	for path, n := range tree.nodes {
		fields = append(fields,
			field{"hundredths", n.at + 13, []byte{0}, set},
			field{"made, time", n.at + 14, second, set},
			field{"made, day", n.at + 16, day, set},
			field{"read, day", n.at + 18, day, set},
			field{"written, time", n.at + 22, second, set},
			field{"written, day", n.at + 24, day, set})
		if strings.Count(path, "/") == 1 && strings.HasSuffix(path, "/..") && tree.bits == 32 {
			fields = append(fields, field{"parent in the root", n.at + 26, []byte{0, 0}, derived})
		}
		e, ok := extents[path]
		if !ok {
			continue
		}
		first := uint32((e.Offset-tree.dataAt)/tree.cluster) + 2
		fields = append(fields,
			field{"cluster, low", n.at + 26, le.AppendUint16(nil, uint16(first)), set},
			field{"cluster, high", n.at + 20, le.AppendUint16(nil, uint16(first>>16)), set},
			field{"size", n.at + 28, le.AppendUint32(nil, uint32(e.Size)), set})
		width := int64(tree.bits / 8)
		last := first + uint32((e.Size-1)/tree.cluster)
		for c := first; c <= last; c++ {
			next := c + 1
			if c == last {
				next = 0x0fffffff
			}
			entry := le.AppendUint32(nil, next)[:width]
			fields = append(fields,
				field{"chain", tableAt + int64(c)*width, entry, derived},
				field{"chain of the copy", tableAt + per + int64(c)*width, entry, derived})
		}
	}
	return fields
}

// shortTables is a size for which go-diskfs makes tables that have no entry for the
// last two clusters.
const shortTables = 64 << 20

// TestFATFields tests each field that normaliseFAT says it sets.
func TestFATFields(t *testing.T) {
	for name, size := range map[string]int64{"FAT16": 5 << 20, "FAT32": 40 << 20, "short tables": shortTables} {
		t.Run(name, func(t *testing.T) {
			v := esp()
			v.Files[0].Size = 1_048_576 // its clusters are beyond 255
			m := mustFAT(t, v, size)
			raw := &Image{Size: size}
			without, err := raw.createFAT(v)
			if err != nil {
				t.Fatal(err)
			}
			fields := fatFields(m, checkFAT(t, m, v), v)
			vain := map[string]bool{"hundredths": true, "cluster, high": true}
			for i, f := range fields {
				if vain[f.name] { // zeros, which go-diskfs leaves too: they are set all the same
					raw.put(f.at, bytes.Repeat([]byte{0x5a}, len(f.want))...)
					fields[i].kind = set
				}
			}
			testFields(t, raw, m, func(m *Image) error { return m.normaliseFAT(v, without) }, fields)
		})
	}
}

// TestLeftFAT tests what go-diskfs writes in a boot sector and this package leaves.
func TestLeftFAT(t *testing.T) {
	for _, test := range []struct {
		size        int64
		jump, label int
		kind        string
	}{{5 << 20, 0x3c, 43, "FAT16   "}, {40 << 20, 0x58, 71, "FAT32   "}} {
		m := mustFAT(t, esp(), test.size)
		b := m.bytes(0, 512)
		if b[0] != 0xeb || int(b[1]) != test.jump || b[2] != 0x90 || string(b[test.label:test.label+11]) != "COMPOSE    " || string(b[test.label+11:test.label+19]) != test.kind || b[test.label-5] != 0x29 {
			t.Errorf("the boot sector is %q", b[:96])
		}
		if string(b[3:11]) != "godiskfs" || len(bytes.Trim(b[test.label+19:510], "\x00")) > 0 {
			t.Errorf("the boot sector is %q", b)
		}
	}
}

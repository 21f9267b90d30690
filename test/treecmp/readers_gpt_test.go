package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"
)

var le = binary.LittleEndian

// Types of partitions.
const (
	espType  = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	dataType = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
	espName  = "EFI system partition"
)

// partition is one as a reader shows it.
type partition struct {
	number      int
	first, last int64 // sectors
	kind, guid  string
	name        string
}

// guidText writes the GUID that lies in a table (UEFI 2.10, appendix A).
func guidText(b []byte) string {
	return strings.ToUpper(fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16]))
}

// head is the beginning of an image, up to the end of the partition table.
func head(t *testing.T, image string) []byte {
	t.Helper()
	b := make([]byte, 34*512)
	if _, err := open(t, image).ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// gptByHand reads a table as UEFI 2.10, 5.3 has it.
func gptByHand(t *testing.T, image string) []partition {
	t.Helper()
	var parts []partition
	table := head(t, image)[1024:]
	for i := range 128 {
		e := table[128*i:][:128]
		if le.Uint64(e[32:]) == 0 {
			continue
		}
		var name []uint16
		for j := 56; j < 128 && le.Uint16(e[j:]) != 0; j += 2 {
			name = append(name, le.Uint16(e[j:]))
		}
		parts = append(parts, partition{
			i + 1, int64(le.Uint64(e[32:])), int64(le.Uint64(e[40:])), guidText(e), guidText(e[16:]), string(utf16.Decode(name)),
		})
	}
	return parts
}

// partitionLines are partitions for [inOrder].
func partitionLines(parts []partition, keep func(p *partition)) []string {
	var all []string
	for _, p := range parts {
		keep(&p)
		all = append(all, fmt.Sprintf("%+v", p))
	}
	return all
}

// wantTable is what has to be in a table: the GUIDs are as they are.
func wantTable(t *testing.T, image string, espFirst, espSectors, dataEnd int64) []partition {
	t.Helper()
	guids := gptByHand(t, image)
	want := []partition{{1, espFirst, espFirst + espSectors - 1, espType, "", espName}}
	if dataEnd > 0 {
		want = append(want, partition{3, espFirst + espSectors, dataEnd - 1, dataType, "", "data"})
	}
	for i := range min(len(want), len(guids)) {
		want[i].guid = guids[i].guid
	}
	return want
}

// tableInspections compare a table with what has to be in it.
func tableInspections(want []partition) []inspection {
	return []inspection{
		{"by hand", func(t *testing.T, image string) []fault {
			got := gptByHand(t, image)
			return append(inOrder("the table", partitionLines(want, func(*partition) {}), partitionLines(got, func(*partition) {})), ownGUIDs(t, image, got)...)
		}},
		{"sgdisk", func(t *testing.T, image string) []fault {
			got, faults := tableSgdisk(t, image)
			return append(faults, inOrder("sgdisk", partitionLines(want, func(*partition) {}), partitionLines(got, func(*partition) {}))...)
		}},
		{"7z", func(t *testing.T, image string) []fault {
			got, err := table7z(t, image)
			if err != nil {
				return []fault{{"", err.Error()}}
			}
			shown := partitionLines(want, func(p *partition) { p.number, p.kind = 0, "" })
			return inOrder("7z", shown, partitionLines(got, func(*partition) {}))
		}},
	}
}

// ownGUIDs holds that each GUID is there once, and one that is made of a hash
// (RFC 9562 5.8).
func ownGUIDs(t *testing.T, image string, parts []partition) []fault {
	t.Helper()
	all := []string{guidText(head(t, image)[512+56:])}
	for _, p := range parts {
		all = append(all, p.guid)
	}
	var faults []fault
	seen := map[string]bool{}
	for _, id := range all {
		if seen[id] || !regexp.MustCompile(`^[0-9A-F]{8}-[0-9A-F]{4}-8[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`).MatchString(id) {
			faults = append(faults, fault{"", "a GUID " + id})
		}
		seen[id] = true
	}
	return faults
}

// tableSgdisk reads "sgdisk -p" and "-i", and what "-v" finds.
func tableSgdisk(t *testing.T, image string) ([]partition, []fault) {
	t.Helper()
	var faults []fault
	if out, err := (reader{args: []string{"sgdisk", "-v", image}}).try(t); err != nil || !strings.Contains(out, "\nNo problems found. ") {
		faults = append(faults, fault{"", fmt.Sprintf("sgdisk -v: %v\n%s", err, out)})
	}
	out, err := reader{args: []string{"sgdisk", "-p", image}}.try(t)
	if err != nil {
		faults = append(faults, fault{"", err.Error()})
	}
	var parts []partition
	for _, f := range regexp.MustCompile(`(?m)^ +(\d+) +\d+ +\d+ `).FindAllStringSubmatch(out, -1) {
		one, err := reader{args: []string{"sgdisk", "-i", f[1], image}}.try(t)
		if err != nil {
			faults = append(faults, fault{"", err.Error()})
		}
		text := func(pattern string) string {
			if found := regexp.MustCompile(pattern).FindStringSubmatch(one); found != nil {
				return found[1]
			}
			return "0"
		}
		parts = append(parts, partition{
			int(number(t, f[1])), number(t, text(`First sector: (\d+)`)), number(t, text(`Last sector: (\d+)`)),
			text(`GUID code: (\S+)`), text(`unique GUID: (\S+)`), text(`Partition name: '(.*)'`),
		})
	}
	return parts, faults
}

// table7z reads what 7z takes for files of a disk.
func table7z(t *testing.T, image string) ([]partition, error) {
	t.Helper()
	var parts []partition
	all, err := entries7z(t, image, "GPT")
	for _, e := range all {
		_, name, _ := strings.Cut(strings.TrimSuffix(e["Path"], ".img"), ".")
		first := number(t, e["Offset"]) / 512
		parts = append(parts, partition{first: first, last: first + number(t, e["Size"])/512 - 1, guid: e["ID"], name: name})
	}
	return parts, err
}

// masterRecord holds that a disk's first sector is what BIOSes and old partitioning
// programs have to see: code, and one partition of the type 0xEE over all of the disk.
func masterRecord(code string, active byte) inspection {
	return inspection{"master boot record", func(t *testing.T, image string) []fault {
		stat, err := os.Stat(image)
		if err != nil {
			t.Fatal(err)
		}
		entry := []byte{active, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0}
		entry = le.AppendUint32(entry, uint32(min(stat.Size()/512-1, 1<<32-1)))
		want := code + string(make([]byte, 440-len(code)))
		b := head(t, image)
		return inOrder("the master boot record", []string{
			hex.EncodeToString([]byte(want)), "0000", hex.EncodeToString(entry), strings.Repeat("00", 48), "55aa",
		}, []string{
			hex.EncodeToString(b[:440]), hex.EncodeToString(b[444:446]), hex.EncodeToString(b[446:462]), hex.EncodeToString(b[462:510]), hex.EncodeToString(b[510:512]),
		})
	}}
}

// inspectedDisk is a raw-efi disk.
func (m *media) inspectedDisk(t *testing.T, name, image string, size int64) *inspected {
	t.Helper()
	esp := head(t, m.esp(t, image))
	sectors := int64(le.Uint16(esp[19:]))
	if sectors == 0 {
		sectors = int64(le.Uint32(esp[32:]))
	}
	dataEnd := (size>>20 - 1) << 20 / 512 // the last MiB is for the copy of the table; 0 if there is no size
	whole := inspection{"size", func(t *testing.T, image string) []fault {
		stat, err := os.Stat(image)
		if err != nil || size != 0 && stat.Size() != size || stat.Size()%512 != 0 {
			return []fault{{"", fmt.Sprintf("the disk is not of %d bytes: %v", size, err)}}
		}
		return nil
	}}
	if size == 0 {
		dataEnd = 0
	}
	i := &inspected{name: name, image: image}
	i.inspections = append(tableInspections(wantTable(t, image, 2048, sectors, dataEnd)), masterRecord("", 0), whole)
	i.plants = []bytePlant{
		{"another end", func(b []byte) { b[1024+40]++ }, []string{"by hand", "sgdisk", "7z"}},
		{"another type", func(b []byte) { b[1024] ^= 1 }, []string{"by hand", "sgdisk", "7z"}},
		{"the copy", func(b []byte) { b[len(b)-33*512+56] ^= 1 }, []string{"sgdisk"}},
		{"the copy's header", func(b []byte) { b[len(b)-512+40] ^= 1 }, []string{"sgdisk"}},
		{"an active partition", func(b []byte) { b[446] = 0x80 }, []string{"master boot record"}},
	}
	return i
}

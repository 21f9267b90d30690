package outputs

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/composeos/compose/compose/rootfs"
)

// target is how many bytes a run has on average, before it is compressed. A
// changed file costs about two runs of compression; smaller runs compress worse
// and are more files in the cache.
const target = 4 << 20

// overhead stands for an entry's header in its weight.
const overhead = 256

// cut divides entries, in path order, into runs that are compressed and kept by
// themselves. Joined, the runs are the entries again.
//
// Whether there is a cut between two entries depends on these two alone: it is
// decided by a hash of the first one's path, with a probability that grows with
// its size; and what is as large as a run is always a run of its own. So a
// change somewhere moves no cut elsewhere: a path that is added, removed or
// changed changes the run that it is in, and at most splits it in two or joins
// it to the next.
func cut(entries []*rootfs.Entry) [][]*rootfs.Entry {
	var runs [][]*rootfs.Entry
	begin := 0
	for i, e := range entries {
		last := i == len(entries)-1
		if last || cutBetween(e, entries[i+1]) {
			runs = append(runs, entries[begin:i+1:i+1])
			begin = i + 1
		}
	}
	return runs
}

func cutBetween(e, next *rootfs.Entry) bool {
	weight := e.Payload() + overhead
	if weight >= target || next.Payload()+overhead >= target {
		return true
	}
	// A hash below target × weight/target of all hashes: of 2^32 / target · weight.
	sum := sha256.Sum256([]byte(e.Path))
	return int64(binary.BigEndian.Uint32(sum[:])) < (1<<32)/target*weight
}

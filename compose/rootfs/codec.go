package rootfs

// Codec turns entries into the bytes of an archive format.
//
// The law of a codec: the bytes of an entry depend on that entry alone, never on
// what was encoded before or on where it stands. So encodings can be laid one
// after the other: an archive of A and then B is what A encodes to, what B
// encodes to, and the trailer. Runs of entries can be encoded apart, kept, and
// joined.
//
// An entry encodes to its header, [Entry.Payload] bytes of its content, and as
// many zeros as Pad says:
//
//	b, err = codec.AppendHeader(b[:0], e)
//	… write b, then e.Payload() bytes of e.Body, then codec.Pad(e.Payload()) zeros
//
// and the archive ends with Trailer.
type Codec interface {
	// Name names the format and the rules by which it is written. It changes
	// whenever any entry's bytes do.
	Name() string
	// AppendHeader appends the header of e to b. It does not keep e or b. The
	// error says what of e the format cannot hold; it does not name e.
	AppendHeader(b []byte, e *Entry) ([]byte, error)
	// Pad returns how many zeros follow a payload of size bytes.
	Pad(size int64) int
	// Trailer returns the bytes that end an archive.
	Trailer() []byte
}

// Payload returns how many bytes of content follow e's header in an archive:
// none for what is not a file, nor for a further name of a hard-linked one.
func (e *Entry) Payload() int64 {
	if e.Type != File || e.First != "" {
		return 0
	}
	return e.Size
}

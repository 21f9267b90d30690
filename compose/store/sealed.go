package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxSealed is how long a sealed file may be, in bytes.
const maxSealed = 16 << 20

// A sealed file is a small record: a line with a checksum over what it is, its
// name and its data; the length of the name; the name; the data.

// seal returns the bytes of a sealed file.
func seal(kind, name string, data []byte) []byte {
	body := fmt.Sprintf("%d\n%s%s", len(name), name, data)
	return fmt.Appendf(nil, "compose %s 1 %s\n%s", kind, sealOf(kind, body), body)
}

func sealOf(kind, body string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + body))
	return hex.EncodeToString(sum[:])
}

// unseal returns name and data of a sealed file, or ErrDamaged.
func unseal(kind string, file []byte) (name string, data []byte, err error) {
	head, body, ok := strings.Cut(string(file), "\n")
	if !ok || head != fmt.Sprintf("compose %s 1 %s", kind, sealOf(kind, body)) {
		return "", nil, fmt.Errorf("%s: %w", kind, ErrDamaged)
	}
	var n int
	length, rest, ok := strings.Cut(body, "\n")
	if _, err := fmt.Sscanf(length, "%d", &n); err != nil || !ok || n < 0 || n > len(rest) {
		return "", nil, fmt.Errorf("%s: %w", kind, ErrDamaged)
	}
	return rest[:n], []byte(rest[n:]), nil
}

// readSealed reads the file at path. An error wraps fs.ErrNotExist where there
// is none, and ErrDamaged where it is not whole.
func readSealed(kind, path string) (name string, data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	file, err := io.ReadAll(io.LimitReader(f, maxSealed+1))
	if err != nil {
		return "", nil, err
	}
	return unseal(kind, file)
}

// sealedAs is readSealed for a file that must have that name.
func sealedAs(kind, name, path string) ([]byte, error) {
	got, data, err := readSealed(kind, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err == nil && got != name {
		err = ErrDamaged
	}
	return data, err
}

// hexOf names the file of a name.
func hexOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

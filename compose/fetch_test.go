package compose

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

func TestEach(t *testing.T) {
	full := fmt.Errorf("write: %w", syscall.ENOSPC)
	for _, c := range []struct {
		name  string
		fails func(int) error
		calls int
		want  string
	}{
		{"nothing fails", func(int) error { return nil }, 5, "<nil>"},
		{"each fault is said", func(i int) error { return fmt.Errorf("fault %d", i) }, 5, "fault 0\nfault 1\nfault 2\nfault 3\nfault 4"},
		{"a full disk ends it, and is said alone", func(i int) error {
			if i == 1 {
				return full
			}
			return errors.New("fault")
		}, 2, "write: no space left on device"},
	} {
		calls := 0
		err := Options{Jobs: 1}.each(5, func(i int) error { calls++; return c.fails(i) })
		if fmt.Sprint(err) != c.want || calls != c.calls {
			t.Errorf("%s: %d calls, error %q; want %d, %q", c.name, calls, fmt.Sprint(err), c.calls, c.want)
		}
	}
}

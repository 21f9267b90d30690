package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlantChangesOneByte(t *testing.T) {
	if got := plant(plantedImage, plantedPath, []byte("c\n")); string(got) != "C\n" {
		t.Errorf("planted %q", got)
	}
	if got := plant(plantedImage, "etc/other", []byte("c\n")); string(got) != "c\n" {
		t.Errorf("planted %q in another file", got)
	}
}

func TestPlantedIsFoundInEachFileThatHasIt(t *testing.T) {
	s := &subject{manifest: "dir/a.yml", want: result{"a-kernel": "1", "a-cmdline": "2", "a-initrd.img": "3", "a.tar": "4", "a.lock.json": "5"}}
	tests := []struct {
		name    string
		got     result
		want    []string
		wantErr string
	}{
		{
			name: "in all",
			got:  result{"a-kernel": "1", "a-cmdline": "2", "a-initrd.img": "x", "a.tar": "x", "a.lock.json": "x"},
			want: []string{"a-initrd.img", "a.tar"},
		},
		{
			name:    "not in the tar",
			got:     result{"a-kernel": "1", "a-cmdline": "2", "a-initrd.img": "x", "a.tar": "4", "a.lock.json": "x"},
			wantErr: "a.tar does not differ",
		},
		{
			name:    "not in the lock",
			got:     result{"a-kernel": "1", "a-cmdline": "2", "a-initrd.img": "x", "a.tar": "x", "a.lock.json": "5"},
			wantErr: "a.lock.json does not differ",
		},
		{
			name:    "in the kernel too",
			got:     result{"a-kernel": "x", "a-cmdline": "2", "a-initrd.img": "x", "a.tar": "x", "a.lock.json": "x"},
			wantErr: "a-kernel differs, which holds nothing of that package",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.foundIn(tt.got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("files:\n%s", diff)
			}
			if said := message(err); said != tt.wantErr {
				t.Errorf("error %q, want %q", said, tt.wantErr)
			}
		})
	}
}

func TestDifferingNamesPathsOfEither(t *testing.T) {
	got := differing(map[string]string{"same": "1", "other": "1", "first": "1"}, map[string]string{"same": "1", "other": "2", "second": "1"})
	if diff := cmp.Diff([]string{"first", "other", "second"}, got); diff != "" {
		t.Error(diff)
	}
}

// message is what an error says; of none, nothing.
func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

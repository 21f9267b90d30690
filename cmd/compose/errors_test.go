package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFaults(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	tests := []struct {
		name string
		err  error
		want []string
	}{
		{"nil", nil, nil},
		{"one", a, []string{"a"}},
		{"wrapped", fmt.Errorf("x: %w", a), []string{"x: a"}},
		{"joined", errors.Join(a, b), []string{"a", "b"}},
		{"joined twice", errors.Join(errors.Join(a, b), c), []string{"a", "b", "c"}},
		{"joined below a prefix", fmt.Errorf("x: %w", errors.Join(a, fmt.Errorf("y: %w", errors.Join(b, c)))), []string{"x: a", "x: y: b", "x: y: c"}},
		{"two wrapped in one sentence", fmt.Errorf("%w: %w", a, b), []string{"a: b"}},
		{"words behind the joined", fmt.Errorf("%w (twice)", errors.Join(a, b)), []string{"a\nb (twice)"}},
		{"one of two is nil", errors.Join(nil, a), []string{"a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, f := range faults(tt.err) {
				got = append(got, f.text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFaultsKeepHints(t *testing.T) {
	err := withHint(fmt.Errorf("x: %w", errors.Join(errors.New("a"), hinted("b", "do b"))), "do x")
	var got []string
	for _, f := range faults(err) {
		got = append(got, f.text+" / "+hintOf(f.err))
	}
	if diff := cmp.Diff([]string{"x: a / do x", "x: b / do b"}, got); diff != "" {
		t.Errorf("hints (-want +got):\n%s", diff)
	}
}

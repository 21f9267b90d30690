package supervise

import "time"

// The restart policy's numbers.
const (
	// FirstDelay is the wait before the first restart.
	FirstDelay = time.Second
	// LastDelay is the longest wait.
	LastDelay = time.Minute
	// Steady is how long a service must have run for its past to be forgotten.
	Steady = time.Minute
)

// Delay returns how long to wait before a service is started again: previous is
// the wait before its last start, 0 for none, and ran is how long it was up. It
// doubles from FirstDelay to LastDelay, and begins anew after a steady run.
func Delay(previous, ran time.Duration) time.Duration {
	if previous < FirstDelay || ran >= Steady {
		return FirstDelay
	}
	return min(2*previous, LastDelay)
}

package image

import "sync"

// kept is a value that is made when it is first asked for. Who asks meanwhile
// waits; a failure is not kept, so that the next one tries again.
type kept[T any] struct {
	mu    sync.Mutex
	made  bool
	value T
}

func (k *kept[T]) get(do func() (T, error)) (T, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.made {
		return k.value, nil
	}
	value, err := do()
	if err == nil {
		k.value, k.made = value, true
	}
	return value, err
}

// one returns the value of a key, the same for all who ask; mu guards the map.
func one[K comparable, T any](mu *sync.Mutex, m map[K]*kept[T], key K) *kept[T] {
	mu.Lock()
	defer mu.Unlock()
	if m[key] == nil {
		m[key] = new(kept[T])
	}
	return m[key]
}

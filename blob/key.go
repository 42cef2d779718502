package blob

import "fmt"

// maxKey is the most characters in a key.
const maxKey = 128

// CheckKey returns an error that is ErrKey unless key is well formed. Every driver
// refuses what it refuses, so a key can never name a path outside the store.
func CheckKey(key string) error {
	if len(key) == 0 || len(key) > maxKey {
		return fmt.Errorf("%w: %d characters", ErrKey, len(key))
	}
	slash := true // as if one came before: a key does not begin with one
	for i := range len(key) {
		c := key[i]
		switch {
		case c == '/' && !slash:
			slash = true
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'z':
			slash = false
		default:
			return fmt.Errorf("%w: %q", ErrKey, key)
		}
	}
	if slash {
		return fmt.Errorf("%w: %q", ErrKey, key)
	}
	return nil
}

package main

import (
	"context"
	"crypto/rand" //nolint:depguard // a key is nothing but chance; no image is made of it
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/composeos/compose/compose/sign"
)

// setupKeygen defines "compose keygen -o NAME".
func setupKeygen(fs *flag.FlagSet) action {
	var name string
	fs.StringVar(&name, "o", "", "")
	return func(ctx context.Context, s *session, operands []string) error {
		if err := noOperands("keygen", operands); err != nil {
			return err
		}
		if name == "" {
			return usagef("keygen", "no file is named: say -o NAME, which makes NAME.key and NAME.pub")
		}
		if err := mayBeMade(name+".key", name+".pub"); err != nil {
			return err
		}
		passphrase, err := s.newPassphrase(ctx, name+".key")
		if err != nil {
			return err
		}
		return makeKey(s, name, passphrase)
	}
}

// mayBeMade is an error where one of the files is there, or their folder is not, so
// that nobody types a passphrase in vain.
func mayBeMade(files ...string) error {
	for _, path := range files {
		if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
			return withHint(err, "make the folder first")
		} else if err != nil {
			return err
		}
		if _, err := os.Lstat(path); err == nil {
			return keyThere(path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func keyThere(path string) error {
	return hinted(path+" is there already; a key is never overwritten", "give the keys another name, or move the old ones away")
}

// makeKey writes NAME.key and NAME.pub, both or none, and prints the key's
// fingerprint.
func makeKey(s *session, name string, passphrase []byte) error {
	private, public, err := sign.NewKey(rand.Reader, passphrase)
	if err != nil {
		return err
	}
	key, err := sign.LoadKey(private, func() ([]byte, error) { return passphrase, nil })
	if err != nil {
		return fmt.Errorf("read the new key again: %w", err)
	}
	fingerprint, err := key.Fingerprint()
	if err != nil {
		return err
	}
	if err := writeNew(name+".key", private, 0o600); err != nil {
		return err
	}
	if err := writeNew(name+".pub", public, 0o644); err != nil {
		return errors.Join(err, os.Remove(name+".key"))
	}
	_, err = fmt.Fprintf(s.stdout, "%s %s.pub\n", fingerprint, name)
	return written(err)
}

// writeNew makes a file that was not there, whole or not at all.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return keyThere(path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

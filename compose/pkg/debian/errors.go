package debian

import "errors"

// What can be wrong with an archive or a package of it. The texts are the ends of
// messages that say first which mirror, suite or package it is about.
var (
	// ErrSignature: an InRelease file is unsigned, signed by a key that the keyring
	// has not, or its text is not what was signed.
	ErrSignature = errors.New("not signed by a key of the keyring")
	// ErrExpired: an InRelease file is past its Valid-Until, or its Date is still to come.
	ErrExpired = errors.New("not valid at this time")
	// ErrSuite: an InRelease file is another suite's, or the suite has not what was asked for.
	ErrSuite = errors.New("not the suite that was asked for")
	// ErrOlder: an InRelease file is older than the one that the lock was made with.
	ErrOlder = errors.New("older than the one recorded in the lock")
	// ErrDamaged: bytes have another size or SHA-256 than the archive's index says, or
	// are not in the format that they should have.
	ErrDamaged = errors.New("damaged")
	// ErrGone: the package file is on none of the mirrors any more.
	ErrGone = errors.New("gone from the mirrors")
	// ErrUnknownPackage: the suite has no package of this name for the architecture.
	ErrUnknownPackage = errors.New("no such package")
	// ErrOffline: it would take the network, which was not to be used.
	ErrOffline = errors.New("offline")
	// ErrNoMirror: no mirror is known.
	ErrNoMirror = errors.New("no Debian mirror is known")
)

// errNotFound says that a mirror answered that it has not the file.
var errNotFound = errors.New("not found")

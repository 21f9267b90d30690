// Package sign signs images: it makes keys, statements about digests, signatures of
// them in the two formats that cosign knows, and the manifests that attach signatures
// to what they are of. It reads no image, and puts nothing anywhere.
//
// A signature is made of a digest alone; nothing is fetched, and no clock, no
// network and no chance is asked: the same key signs the same statement with the
// same bytes, so that signing twice adds nothing (only NewKey takes randomness).
//
//	key, err := sign.LoadKey(pem, passphrase)
//	statement, err := sign.Statement(desc.Digest, spec.SignatureType, nil)
//	bundle, err := sign.Bundle(key, statement)
//	artifact, err := sign.Referrer(desc, bundle, spec.SignatureType)
//	// what artifact has goes to a registry, its blobs first, or into a layout
package sign

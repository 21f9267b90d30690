package registry

import (
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Content is what is pushed into one repository.
type Content struct {
	Blobs     []Upload   // in any order, the same blob may occur again
	Manifests []Manifest // those that others point to first; the last is what the reference names
	Referrers []Manifest // manifests with a subject; they go after Manifests and before the tag
}

// Upload is a blob to push.
type Upload struct {
	Desc v1.Descriptor                 // its size and digest
	Open func() (io.ReadCloser, error) // its bytes from the start; called again when a push is tried again
}

// Manifest is a manifest to push, as it stands.
type Manifest struct {
	MediaType types.MediaType
	Raw       []byte
}

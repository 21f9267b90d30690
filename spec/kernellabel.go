package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// KernelLabel is the name of the image label by which the package of a kernel
// says what that kernel can unpack an initramfs with (its CONFIG_RD_* options),
// as words with one space between them, best first: "zstd gzip". An image
// without the label does not say. [ParseDecompressors] reads it.
const KernelLabel = "org.composeos.kernel.decompressors"

// decompressors are what Linux can be built to unpack an initramfs with.
func decompressors() []string {
	return []string{"gzip", "bzip2", "lzma", "xz", "lzo", "lz4", "zstd"}
}

// ParseDecompressors reads the text of a [KernelLabel] of an image, in its
// order. The words are those of Linux's options CONFIG_RD_*, in lower case;
// which of them are of use is for the reader to say. An empty text, another
// word, and a word twice are errors that name the label and the image.
func ParseDecompressors(image Ref, label string) ([]string, error) {
	words := strings.Split(label, " ")
	for i, word := range words {
		var err error
		switch {
		case label == "":
			err = errors.New(`it is empty; want words such as "zstd gzip"`)
		case word == "":
			err = fmt.Errorf("%q has a space too many: want one between words", label)
		case !slices.Contains(decompressors(), word):
			err = fmt.Errorf("%q is not one of %s%s", word, strings.Join(decompressors(), ", "), meant(word, decompressors()))
		case slices.Contains(words[:i], word):
			err = fmt.Errorf("%q is there twice", word)
		}
		if err != nil {
			return nil, fmt.Errorf("label %s of %s: %w", KernelLabel, image, err)
		}
	}
	return words, nil
}

package image

import "context"

// Verified returns the source that hands out what src has once check has let it
// pass. Index, manifest and config have been read and checked before that; no
// layer has been opened. An error of check comes back as it is.
func Verified(src Source, check func(ctx context.Context, pin Pin, img *Image) error) Source {
	return &verified{src, check}
}

type verified struct {
	src   Source
	check func(ctx context.Context, pin Pin, img *Image) error
}

// Image returns the image of pin.Digest, which has passed.
func (v *verified) Image(ctx context.Context, pin Pin) (*Image, error) {
	img, err := v.src.Image(ctx, pin)
	if err != nil {
		return nil, err
	}
	if err := v.check(ctx, pin, img); err != nil {
		return nil, err
	}
	return img, nil
}

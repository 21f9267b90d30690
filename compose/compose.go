// Package compose turns a manifest into a root filesystem.
//
// There is one road, and [Build] walks it in this order:
//
//	manifest ─plan─▶ parts ─fetch─▶ images ─flatten─▶ segments ─rootfs.NewTree─▶ Tree
//
// [Resolve] goes before it: it makes the lock, and is the last to see a tag.
// Below it everything is a digest, so that the tree is a function of the
// manifest, the lock and the bytes that the lock names. [Inputs] names that
// function's arguments by one digest.
//
// Parts are worked on side by side, and results are kept by their place in the
// manifest, never by when they were ready.
package compose

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/spec"
)

// Options are the inputs of Build beside the manifest.
type Options struct {
	Lock     *spec.Lock     // pins everything that the manifest names
	Platform spec.Platform  // to build for
	Policy   *trust.Policy  // whose signatures images need; nil covers none
	Evidence *spec.Evidence // the signatures that the lock names; may be nil
	Source   image.Source   // where package images come from
	Lease    *store.Lease   // holds what is used; the tree can be read until it is closed
	Dir      string         // folder of the lock, which it records sources relative to
	Home     string         // what "~/" stands for in sources
	Jobs     int            // how many images are worked on at once; 0: as many as Go uses processors
	Progress Progress       // may be nil
}

// Notice is something that a user should hear of.
type Notice struct {
	Where  string // "services[2] nginx"
	What   string
	Strict bool // an error where the user asked for strictness
}

// Result is what Build made.
type Result struct {
	Tree      *rootfs.Tree
	Notices   []Notice          // in the order of the manifest
	Conflicts []rootfs.Conflict // in path order
}

// Build composes m: everything is read and checked, and nothing is written but
// the cache. Nothing of an image is unpacked before the policy has been satisfied
// by the evidence that the lock names. An error names the part of the manifest at fault.
func Build(ctx context.Context, m *spec.Manifest, o Options) (*Result, error) {
	o.Policy = orDenied(o.Policy)
	o.Source = image.Verified(o.Source, o.check)
	p := plan(m)
	if err := o.fetch(ctx, p); err != nil {
		return nil, err
	}
	b := builder{Options: o, manifest: m, plan: p}
	segments, err := b.segments(ctx)
	if err != nil {
		return nil, err
	}
	options, err := b.treeOptions()
	if err != nil {
		return nil, err
	}
	tree, conflicts, err := rootfs.NewTree(segments, options)
	if err != nil {
		return nil, err
	}
	return &Result{tree, b.notices, conflicts}, nil
}

// treeOptions is what the tree is made by beside its segments.
func (b *builder) treeOptions() (rootfs.TreeOptions, error) {
	inputs, err := Inputs(b.manifest, b.Lock, b.Platform)
	if err != nil {
		return rootfs.TreeOptions{}, err
	}
	digest, err := hash(inputs)
	if err != nil {
		return rootfs.TreeOptions{}, err
	}
	o := rootfs.TreeOptions{
		Arch: b.Platform.Architecture, Variant: b.Platform.Variant,
		Epoch: b.Lock.Epoch, Fixed: b.Lock.Timestamps == spec.Fixed,
		Menu:          rootfs.Menu{Title: b.manifest.Bootloader.Title, Timeout: b.manifest.Bootloader.Timeout},
		Decompressors: b.decompressors,
	}
	_, err = hex.Decode(o.Inputs[:], []byte(digest.Hex))
	return o, err
}

// builder holds what the steps of one build share.
type builder struct {
	Options
	manifest *spec.Manifest
	plan     []*part
	notices  []Notice
	system   rootfs.Stack // what is laid out so far, for the bundles that bind it

	decompressors []string // see rootfs.TreeOptions
}

// segments lays out every part, in the order in which later ones win.
func (b *builder) segments(ctx context.Context) ([]rootfs.Segment, error) {
	files, err := b.files(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, p := range b.plan {
		if p.section.container() {
			continue
		}
		laid, err := b.layOut(ctx, p)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.where, err))
		}
		b.system = append(b.system, laid...)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if b.system, err = mergeAPK(b.system); err != nil {
		return nil, err
	}
	bundles, err := b.bundles(append(slices.Clip(b.system), files))
	if err != nil {
		return nil, err
	}
	return append(append(b.system, bundles...), files), nil
}

func (o Options) jobs() int {
	if o.Jobs > 0 {
		return o.Jobs
	}
	return runtime.GOMAXPROCS(0)
}

package main

import "github.com/composeos/compose/spec"

// trustView is what "compose trust show" shows, as programs read it; "compose help
// trust" names what is in it.
type trustView struct {
	Section     string          `json:"section,omitempty"` // where it begins
	Default     string          `json:"default"`
	Policy      spec.Digest     `json:"policy,omitempty"`
	Lock        *lockView       `json:"lock,omitempty"`
	Images      []imageView     `json:"images"`
	Authorities []authorityView `json:"authorities"`
	Exceptions  []exceptionView `json:"exceptions"`
	Denied      []deniedView    `json:"denied"`
}

// lockView is the lock that is there.
type lockView struct {
	Path   string      `json:"path"`
	Policy spec.Digest `json:"policy,omitempty"` // that it was made with
}

// imageView is an image that the manifest names.
type imageView struct {
	Name     string          `json:"name"`
	Policy   *ruleView       `json:"policy,omitempty"`   // that covers it
	Excepted string          `json:"excepted,omitempty"` // where the exception is that is for it, or may be once it is pinned
	Needs    []needView      `json:"needs,omitempty"`
	Digest   spec.Digest     `json:"digest,omitempty"` // that the lock pins
	Unsigned string          `json:"unsigned,omitempty"`
	Verified []spec.Verified `json:"verified,omitempty"`
	Refused  string          `json:"refused,omitempty"` // why a build would not take it as it is pinned

	source bool // a package source
}

type ruleView struct {
	Match string `json:"match"`
	At    string `json:"at"`
}

// needView is one thing that a policy demands: the signature, or a statement.
type needView struct {
	Type    string   `json:"type"`
	AnyOf   []string `json:"anyOf"`
	Formats []string `json:"formats"`
}

type authorityView struct {
	Name        string       `json:"name"`
	At          string       `json:"at"`
	Key         spec.Digest  `json:"key,omitempty"`
	Identity    string       `json:"identity,omitempty"`
	Issuer      string       `json:"issuer,omitempty"`
	TrustedRoot spec.Digest  `json:"trustedRoot,omitempty"`
	Require     *requireView `json:"require,omitempty"`
	File        string       `json:"file"` // of the key or the root
	Denied      bool         `json:"denied,omitempty"`
}

// requireView is how many witnesses are demanded.
type requireView struct {
	Tlog       int `json:"tlog"`
	SCT        int `json:"sct"`
	Timestamps int `json:"timestamps"`
}

type exceptionView struct {
	Image  string `json:"image"`
	Reason string `json:"reason"`
	At     string `json:"at"`
}

type deniedView struct {
	Kind string `json:"kind"` // key, identity, digest
	Name string `json:"name"`
	At   string `json:"at"`
}

package main

import (
	"context"
	"flag"
	"strings"
)

// trustCommands returns the table of what "compose trust" does.
func trustCommands() []command {
	return []command{
		{"trust show", "show whose signatures images need, and what the lock says of them", setupTrustShow},
		{"trust verify", "verify the signatures of an image", setupTrustVerify},
		{"trust root", "look after pinned trusted roots: update", setupTrustGroup},
		{"trust root update", "fetch a newer trusted root, and show what changed", setupTrustRootUpdate},
	}
}

// setupTrustGroup defines "compose trust" and "compose trust root", which do nothing
// by themselves.
func setupTrustGroup(fs *flag.FlagSet) action {
	return func(context.Context, *session, []string) error {
		return usagef(fs.Name(), "what is to be done with it? %s", strings.Join(lastWords(groupOf(fs.Name())), ", "))
	}
}

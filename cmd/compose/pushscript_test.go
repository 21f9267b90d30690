package main

import (
	"net/http"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/composeos/compose/compose/registry/registrytest"
)

// registryCommand is "registry NAME [noreferrers|refusing]" in scripts, which starts
// a registry and lets the variable NAME name its host: one that has no referrers API,
// or one that takes nothing.
func registryCommand(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) == 0 || len(args) > 2 {
			ts.Fatalf("usage: registry NAME [noreferrers|refusing]")
		}
		s := registrytest.New(t)
		if len(args) == 2 {
			switch args[1] {
			case "noreferrers":
				s.Fault(registrytest.NoReferrers())
			case "refusing":
				writes := func(r *http.Request) bool { return isWrite(r.Method) }
				s.Fault(registrytest.On(writes, registrytest.Status(http.StatusForbidden, "denied")))
			default:
				ts.Fatalf("%q is no kind of registry", args[1])
			}
		}
		ts.Setenv(args[0], s.Host)
	}
}

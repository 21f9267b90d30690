package golang

// Settle, Environment and Ready open to the tests what only they call.
func Settle(dir string) error { return settle(dir) }

// Environment is what go commands run in.
func (o *Options) Environment(arch string) []string { return o.environment(arch) }

// Ready gives g a toolchain that need not be fetched.
func (g *Go) Ready(t Toolchain, goroot string) { g.ready[g.key(t)] = goroot }

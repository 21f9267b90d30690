package main

import (
	"fmt"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/power"
	"github.com/composeos/compose/pkgs/init/internal/system"
)

// patience is how long the line stays that says why a boot has failed.
const patience = 5 * time.Second

// forever is how long a machine waits that panic=0 tells to wait.
const forever = time.Duration(1<<63 - 1)

// afterFailure is how a machine ends whose boot has failed, and how long it waits
// before it does; said is the command line's panic=, in seconds.
func afterFailure(said *int) (how system.How, after time.Duration) {
	const limit = int(forever / time.Second)
	switch {
	case said == nil:
		return system.PowerOff, patience
	case *said < 0:
		return system.Reboot, 0
	case *said == 0:
		return system.Reboot, forever
	}
	return system.Reboot, time.Duration(min(*said, limit)) * time.Second
}

// announce says what afterFailure has found.
func announce(how system.How, after time.Duration) string {
	switch {
	case after == forever:
		return "waiting for the power button or ctrl-alt-del"
	case after == 0:
		return how.Doing()
	case how == system.PowerOff:
		return fmt.Sprintf("%s in %v (panic=0 waits)", how.Doing(), after)
	}
	return fmt.Sprintf("%s in %v", how.Doing(), after)
}

// wait lets people read why the boot has failed, and returns the way in which the
// system is to end: how, or the one that somebody asks for meanwhile.
func (b *boot) wait(how system.How, after time.Duration) system.How {
	select {
	case how = <-b.asked:
	case <-time.After(after):
	}
	return how
}

// fail ends a boot that cannot go on, without stopping anything. It does not
// return.
func (b *boot) fail(err error) {
	how, after := afterFailure(b.options.Panic)
	b.warn(fmt.Errorf("%w; %s", err, announce(how, after)))
	b.warn(power.Now(b.wait(how, after)))
	for {
		time.Sleep(time.Hour)
	}
}

// rescue ends the system in order where init itself is wrong: the kernel would
// panic if its first process ended.
func (b *boot) rescue() {
	if fault := recover(); fault != nil {
		b.fail(fmt.Errorf("init is broken: %v", fault))
	}
	b.fail(fmt.Errorf("the machine does not turn off"))
}

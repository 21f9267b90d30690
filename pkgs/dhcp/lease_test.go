package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
)

// world is a server and a host that write down what happens, with the seconds
// since the beginning.
type world struct {
	begun time.Time
	log   []string
	ack   *dhcpv4.DHCPv4
	renew func(all bool) error // nil: it always works
	fail  int                  // how many requests go unanswered first
}

func (w *world) say(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%4.0f ", time.Since(w.begun).Seconds())+fmt.Sprintf(format, args...))
}

func (w *world) Request(context.Context) (*dhcpv4.DHCPv4, error) {
	w.say("request")
	if w.fail > 0 {
		w.fail--
		return nil, errors.New("no answer")
	}
	return w.ack, nil
}

func (w *world) Renew(_ context.Context, _ *dhcpv4.DHCPv4, all bool) (*dhcpv4.DHCPv4, error) {
	w.say("renew, all %t", all)
	if w.renew != nil {
		if err := w.renew(all); err != nil {
			return nil, err
		}
	}
	return w.ack, nil
}

func (w *world) Apply(before *settings, now settings) error {
	w.say("apply %s, again %t", &now.address, before != nil)
	return nil
}

func (w *world) Remove(s settings) error { w.say("remove %s", &s.address); return nil }

func TestLease(t *testing.T) {
	silent := func(bool) error { return errors.New("no answer") }
	for _, c := range []struct {
		name  string
		lasts time.Duration
		world world
		once  bool
		want  []string
	}{
		{"renewed at half of its time, kept at the end", 4000 * time.Second, world{}, false, []string{
			"   0 request", "   0 apply 192.0.2.10/24, again false",
			"1800 renew, all false", "1800 apply 192.0.2.10/24, again true",
			"3600 renew, all false", "3600 apply 192.0.2.10/24, again true",
		}},
		{"its server is silent, another answers", 3500 * time.Second, world{renew: func(all bool) error {
			if all {
				return nil
			}
			return silent(all)
		}}, false, []string{
			"   0 request", "   0 apply 192.0.2.10/24, again false",
			"1800 renew, all false", "2475 renew, all false", "2812 renew, all false", "2981 renew, all false", "3066 renew, all false", "3126 renew, all false",
			"3150 renew, all true", "3150 apply 192.0.2.10/24, again true",
		}},
		{"all are silent until it has ended", 3601 * time.Second, world{renew: silent}, false, []string{
			"   0 request", "   0 apply 192.0.2.10/24, again false",
			"1800 renew, all false", "2475 renew, all false", "2812 renew, all false", "2981 renew, all false", "3066 renew, all false", "3126 renew, all false",
			"3150 renew, all true", "3375 renew, all true", "3488 renew, all true", "3548 renew, all true",
			"3600 remove 192.0.2.10/24", "3600 request", "3600 apply 192.0.2.10/24, again false",
		}},
		{"refused", 1801 * time.Second, world{renew: func(bool) error {
			return &nclient4.ErrNak{Nak: &dhcpv4.DHCPv4{Options: dhcpv4.Options{}}}
		}}, false, []string{
			"   0 request", "   0 apply 192.0.2.10/24, again false", "1800 renew, all false",
			"1800 remove 192.0.2.10/24", "1800 request", "1800 apply 192.0.2.10/24, again false",
		}},
		{"no server at first", 11 * time.Second, world{fail: 2}, false, []string{
			"   0 request", "   5 request", "  10 request", "  10 apply 192.0.2.10/24, again false",
		}},
		{"once", time.Hour, world{}, true, []string{"   0 request", "   0 apply 192.0.2.10/24, again false"}},
		{"once, and nobody there", 7 * time.Second, world{fail: 9}, true, []string{"   0 request", "   5 request"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := c.world
				w.begun, w.ack = time.Now(), answer(t)
				ctx, cancel := context.WithTimeout(t.Context(), c.lasts)
				defer cancel()
				cl := client{name: "eth0", talk: &w, host: &w, log: func(string, ...any) {}, bound: func() {}, once: c.once}
				cl.run(ctx)
				if d := cmp.Diff(c.want, w.log); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

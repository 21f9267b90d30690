package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/composeos/compose/compose/registry"
)

// maxFetch is how long fetching one file of a repository of trusted roots may take;
// the largest is a megabyte.
const maxFetch = time.Minute

// defineWay defines the flags that say how the network is reached, without those of
// single registries.
func (f *networkFlags) defineWay(fs *flag.FlagSet) {
	fs.StringVar(&f.config, "config", "", "")
	fs.StringVar(&f.ca, "registry-ca", "", "")
	fs.StringVar(&f.proxy, "proxy", "", "")
}

// httpClient returns a client that goes the way of the settings and the environment,
// as registries are reached: the same proxies, certificates and rules for redirects.
func (f *networkFlags) httpClient(w *world) (*http.Client, error) {
	o, err := f.options(w)
	if err != nil {
		return nil, err
	}
	way, err := registry.NewTransport(o)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: way, Timeout: maxFetch}, nil
}

// checkFetchURL refuses what is not https, or http to this machine.
func checkFetchURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return fmt.Errorf("%q: want https://…, or http://… of this machine", text)
	}
	return nil
}

// getter returns what fetches a file of a repository.
func getter(client *http.Client) func(context.Context, string, int64) ([]byte, error) {
	return func(ctx context.Context, from string, limit int64) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
		if err != nil {
			return nil, err
		}
		res, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		switch res.StatusCode {
		case http.StatusOK:
		case http.StatusNotFound:
			return nil, fmt.Errorf("%s: %w", from, fs.ErrNotExist)
		default:
			return nil, fmt.Errorf("%s: the server says %s", from, res.Status)
		}
		data, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", from, err)
		}
		if int64(len(data)) > limit {
			return nil, fmt.Errorf("%s: it has more than %d bytes", from, limit)
		}
		return data, nil
	}
}

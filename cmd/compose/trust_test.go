package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/composeos/compose/compose/trust/trusttest"
)

// tufServer is the repository of trusted roots of one script.
type tufServer struct {
	mu         sync.Mutex
	repository *trusttest.Repository
	older      map[string][]byte // what it published before
}

// tufCommand is "tuf" in scripts:
//
//	tuf start      starts a repository: $TUF is its URL, first.json the root.json to
//	               believe, and one.json the trusted root that it gives out
//	tuf publish    publishes another trusted root, and writes it to two.json
//	tuf rollback   publishes again what was there before that
//	tuf expire     publishes what has expired
//	tuf tamper     changes what is given out, and not what is said of it
func tufCommand(t *testing.T) func(*testscript.TestScript, bool, []string) {
	var mu sync.Mutex
	servers := map[*testscript.TestScript]*tufServer{}
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: tuf start|publish|rollback|expire|tamper")
		}
		mu.Lock()
		s := servers[ts]
		if s == nil {
			s = &tufServer{repository: trusttest.NewRepository(t)}
			servers[ts] = s
		}
		mu.Unlock()
		s.do(t, ts, args[0])
	}
}

func (s *tufServer) do(t *testing.T, ts *testscript.TestScript, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repository
	publish := func(file string) {
		root := trusttest.NewSigstore(t).TrustedRootJSON
		r.Publish(t, root)
		ts.Check(os.WriteFile(ts.MkAbs(file), root, 0o600))
	}
	switch what {
	case "start":
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			r.ServeHTTP(w, req)
		}))
		ts.Defer(server.Close)
		ts.Setenv("TUF", server.URL)
		ts.Check(os.WriteFile(ts.MkAbs("first.json"), r.Root, 0o600))
		publish("one.json")
	case "publish":
		s.older = r.State()
		publish("two.json")
	case "rollback":
		r.Files = s.older
	case "expire":
		r.Expired = "timestamp"
		publish("three.json")
	case "tamper":
		for name, data := range r.Files {
			if strings.HasPrefix(name, "targets/") {
				r.Files[name] = []byte(strings.Replace(string(data), "example.com", "example.org", 1))
			}
		}
	default:
		ts.Fatalf("tuf %s?", what)
	}
}

func TestCheckFetchURL(t *testing.T) {
	for _, good := range []string{"https://tuf.example.com", "https://tuf.example.com:8443/a", "http://127.0.0.1:1/x", "http://[::1]:80", "http://localhost:8080", "http://127.9.9.9"} {
		if err := checkFetchURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "tuf.example.com", "http://tuf.example.com", "http://localhost.example.com", "http://10.0.0.1", "ftp://127.0.0.1", "https://", "file:///etc", "http://127.0.0.1.example.com", "https:///x", "http://0.0.0.0", "https://%zz"} {
		if err := checkFetchURL(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestGetter holds what a repository's answers are taken for.
func TestGetter(t *testing.T) {
	tests := []struct {
		name, path, want string // want: in the error
	}{
		{"a file", "/file", ""},
		{"nothing there", "/none", "file does not exist"},
		{"an error of the server", "/wrong", "the server says 500 Internal Server Error"},
		{"too long", "/long", "it has more than 16 bytes"},
		{"cut", "/cut", "unexpected EOF"},
		{"a redirect here", "/here", ""},
		{"a redirect to plain HTTP elsewhere", "/away", "elsewhere.example.com wants plain HTTP"},
		{"a redirect round and round", "/round", "more than 5 redirects"},
	}
	server := httptest.NewServer(repositoryAnswers())
	defer server.Close()
	client, err := new(networkFlags).httpClient(&world{getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := getter(client)(t.Context(), server.URL+tt.path, 16)
			switch {
			case tt.want == "" && (err != nil || string(data) != "a file"):
				t.Errorf("got %q, error %v", data, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// repositoryAnswers is a server that answers well and badly.
func repositoryAnswers() http.Handler {
	mux := http.NewServeMux()
	text := func(text string, promised int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(promised))
			_, _ = w.Write([]byte(text))
		}
	}
	mux.HandleFunc("/file", text("a file", 6))
	mux.HandleFunc("/long", text(strings.Repeat("x", 17), 17))
	mux.HandleFunc("/cut", text("a file", 12))
	mux.HandleFunc("/wrong", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.Handle("/here", http.RedirectHandler("/file", http.StatusFound))
	mux.Handle("/away", http.RedirectHandler("http://elsewhere.example.com/file", http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	return mux
}

func TestHTTPClientRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := dir + "/" + name
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("no.pem", "no certificate")
	tests := []struct{ name, settings, want string }{
		{"no certificate", "ca: no.pem", "has none in PEM"},
		{"no file", "ca: gone.pem", "no such file"},
		{"no settings", "proxies: x", "unknown key"},
		{"no proxy", "proxy: nowhere", "proxy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := networkFlags{config: write("config.yml", tt.settings)}
			if _, err := f.httpClient(&world{getenv: func(string) string { return "" }}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

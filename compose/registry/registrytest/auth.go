package registrytest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// Basic wants a user and a password with every request.
func Basic(user, password string) Fault {
	return around(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if u, p, ok := r.BasicAuth(); ok && u == user && p == password {
			next.ServeHTTP(w, r)
			return
		}
		deny(w, `Basic realm="test"`)
	})
}

// Bearer wants a token with every request. Tokens are given under /token, for user and
// password or, where user is "", to everybody; each is good for the scopes that it
// was asked for.
func Bearer(user, password string) Fault {
	return around(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path == "/token" {
			giveToken(w, r, user, password)
			return
		}
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if scopes, err := base64.RawURLEncoding.DecodeString(token); err == nil && covers(string(scopes), r) {
			next.ServeHTTP(w, r)
			return
		}
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		deny(w, `Bearer realm="`+scheme+`://`+r.Host+`/token",service="test"`)
	})
}

func deny(w http.ResponseWriter, challenge string) {
	w.Header().Set("WWW-Authenticate", challenge)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`))
}

func giveToken(w http.ResponseWriter, r *http.Request, user, password string) {
	if u, p, _ := r.BasicAuth(); user != "" && (u != user || p != password) {
		deny(w, `Basic realm="token"`)
		return
	}
	scopes := "ok " + strings.Join(r.URL.Query()["scope"], " ")
	token := base64.RawURLEncoding.EncodeToString([]byte(scopes))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"token": token})
}

// covers reports whether a token of these scopes is good for a request.
func covers(scopes string, r *http.Request) bool {
	if !strings.HasPrefix(scopes, "ok ") {
		return false
	}
	want := "pull"
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		want = "push"
	}
	for scope := range strings.FieldsSeq(scopes) {
		part := strings.Split(scope, ":")
		if len(part) == 3 && strings.HasPrefix(r.URL.Path, "/v2/"+part[1]+"/") && strings.Contains(part[2], want) {
			return true
		}
	}
	return false
}

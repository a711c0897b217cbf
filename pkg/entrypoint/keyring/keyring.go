// Package keyring finds the credentials for an image as the kubelet does (upstream:
// pkg/credentialprovider, BasicDockerKeyring). It is pure.
package keyring

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
)

// Credential is a name and a password for a registry.
type Credential struct{ Username, Password string }

// String keeps a Credential out of logs and errors.
func (Credential) String() string { return "(a credential)" }

// GoString is String, for %#v.
func (Credential) GoString() string { return "(a credential)" }

// Keyring is what some pull secrets hold. The zero value is empty.
type Keyring struct{ entries []entry }

type entry struct {
	// host may have wildcards, path may be empty.
	host, path string
	credential Credential
}

// errNotReadable says nothing of what was read: it is secret.
var errNotReadable = errors.New("expected JSON with user names and passwords by registry")

// registryEntry is one registry's in a Docker configuration.
type registryEntry struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Auth     string `json:"auth"`
}

// AddConfigJSON adds what a Docker config.json says under auths, which is also what a Secret of type
// kubernetes.io/dockerconfigjson holds. The error has nothing of the text.
func (k *Keyring) AddConfigJSON(text []byte) error {
	var config struct {
		Auths map[string]registryEntry `json:"auths"`
	}
	if json.Unmarshal(text, &config) != nil {
		return errNotReadable
	}
	return k.add(config.Auths)
}

// AddConfig adds the older form without auths, of a Secret of type kubernetes.io/dockercfg.
func (k *Keyring) AddConfig(text []byte) error {
	var registries map[string]registryEntry
	if json.Unmarshal(text, &registries) != nil {
		return errNotReadable
	}
	return k.add(registries)
}

func (k *Keyring) add(registries map[string]registryEntry) error {
	var added []entry
	for name, r := range registries {
		c := Credential{r.Username, r.Password}
		if r.Auth != "" {
			var ok bool
			if c, ok = decode(r.Auth); !ok {
				return errors.New("expected auth to be user name and password with a colon between them, in base64")
			}
		}
		if u := parse(name); u != nil {
			location := u.Path
			if strings.HasPrefix(location, "/v1/") || strings.HasPrefix(location, "/v2/") {
				location = location[len("/v1"):]
			}
			added = append(added, entry{u.Host, strings.TrimSuffix(location, "/"), c})
		}
	}
	k.entries = append(k.entries, added...)
	// The more specific first; and always in the same order.
	slices.SortFunc(k.entries, func(a, b entry) int { return strings.Compare(b.key(), a.key()) })
	return nil
}

func (e *entry) key() string {
	return e.host + e.path + "\x00" + e.credential.Username + "\x00" + e.credential.Password
}

func decode(auth string) (c Credential, ok bool) {
	text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(auth), "="))
	if err != nil {
		return c, false
	}
	c.Username, c.Password, ok = strings.Cut(string(text), ":")
	return c, ok
}

// parse reads a registry with or without a scheme, or returns nil.
func parse(name string) *url.URL {
	if !strings.Contains(name, "://") {
		name = "https://" + name
	}
	u, err := url.Parse(name)
	if err != nil || u.Host == "" {
		return nil
	}
	return u
}

// Docker Hub's names.
const (
	hubHost = "index.docker.io"
	hubName = "docker.io"
)

// Find gives the credentials that match a repository like registry.example.com:5000/team/app, the most
// specific first, none twice. The kubelet tries each, so that credentials can be rotated.
func (k *Keyring) Find(repository string) (found []Credential) {
	host, location, _ := strings.Cut(repository, "/")
	names := []string{host}
	if host == hubHost {
		names = append(names, hubName) // what the kubelet calls it
	}
	for i := range k.entries {
		e := &k.entries[i]
		if !strings.HasPrefix("/"+location, e.path) || slices.Contains(found, e.credential) {
			continue
		}
		if slices.ContainsFunc(names, func(name string) bool { return matches(e.host, name) }) {
			found = append(found, e.credential)
		}
	}
	return found
}

// matches compares part by part, with wildcards.
func matches(pattern, host string) bool {
	patternParts, patternPort := split(pattern)
	parts, port := split(host)
	if patternPort != port || len(patternParts) != len(parts) {
		return false
	}
	for i := range parts {
		if ok, err := path.Match(patternParts[i], parts[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

func split(hostPort string) (parts []string, port string) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		host, port = hostPort, ""
	}
	return strings.Split(host, "."), port
}

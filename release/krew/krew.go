// Package krew makes what krew installs the kubectl plugin from: an archive for each platform, and the manifest that
// names them by their checksums.
package krew

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"
)

// Name is the plugin's name, as after `kubectl krew install`; kubectl-restartrules is its binary.
const Name = "restartrules"

// Platform is an operating system and an architecture, as Go and krew call them.
type Platform struct{ OS, Arch string }

// ParsePlatform reads OS-ARCH.
func ParsePlatform(text string) (Platform, error) {
	system, arch, ok := strings.Cut(text, "-")
	if !ok || system == "" || arch == "" {
		return Platform{}, fmt.Errorf("platform %q: expected OS-ARCH", text)
	}
	return Platform{system, arch}, nil
}

// Binary is the name of the plugin's binary.
func (p Platform) Binary() string {
	if p.OS == "windows" {
		return "kubectl-" + Name + ".exe"
	}
	return "kubectl-" + Name
}

// Archive is the name of the platform's archive.
func (p Platform) Archive() string { return "kubectl-" + Name + "_" + p.OS + "_" + p.Arch + ".tar.gz" }

// Pack makes the archive: the binary and the licence, without times, so that the same files make the same archive.
func Pack(p Platform, binary, license []byte) ([]byte, error) {
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	archive := tar.NewWriter(zip)
	for _, f := range []struct {
		name string
		mode int64
		text []byte
	}{{"LICENSE", 0o644, license}, {p.Binary(), 0o755, binary}} {
		if err := archive.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.text)), Format: tar.FormatUSTAR}); err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.name, err)
		}
		if _, err := archive.Write(f.text); err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	if err := zip.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return b.Bytes(), nil
}

// Packed is a platform's archive.
type Packed struct {
	Platform Platform
	Archive  []byte
}

// manifest is krew's Plugin (krew.googlecontainertools.github.com/v1alpha2), as far as we use it.
type manifest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec spec `json:"spec"`
}

type spec struct {
	Version          string     `json:"version"`
	Homepage         string     `json:"homepage"`
	ShortDescription string     `json:"shortDescription"`
	Description      string     `json:"description"`
	Platforms        []platform `json:"platforms"`
}

type platform struct {
	Selector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	} `json:"selector"`
	URI    string `json:"uri"`
	SHA256 string `json:"sha256"`
	Bin    string `json:"bin"`
}

const description = `Restart rules of containers, and restarts of all containers of a Pod in place, on clusters
without Kubernetes' own. Validates, explains, injects and converts manifests without a
cluster; shows what has restarted in place and why; restarts, pauses and resumes Pods,
and shows the log of one attempt.
`

// Manifest is plugin.yaml. version begins with v and is a semantic version, as krew wants it; the archives are below
// url.
func Manifest(version, url string, archives []Packed) ([]byte, error) {
	if _, err := semver.StrictNewVersion(strings.TrimPrefix(version, "v")); err != nil || !strings.HasPrefix(version, "v") {
		return nil, fmt.Errorf("version %q: krew takes v and a semantic version, like v1.2.3", version)
	}
	if !strings.HasPrefix(url, "https://") {
		return nil, fmt.Errorf("url %q: expected where the archives are, https://…", url)
	}
	m := manifest{APIVersion: "krew.googlecontainertools.github.com/v1alpha2", Kind: "Plugin"}
	m.Metadata.Name = Name
	m.Spec = spec{Version: version, Homepage: "https://restartrules.dev", ShortDescription: "See and steer containers that restart in place", Description: description}
	for _, a := range archives {
		sum := sha256.Sum256(a.Archive)
		p := platform{URI: strings.TrimSuffix(url, "/") + "/" + a.Platform.Archive(), SHA256: hex.EncodeToString(sum[:]), Bin: a.Platform.Binary()}
		p.Selector.MatchLabels = map[string]string{"os": a.Platform.OS, "arch": a.Platform.Arch}
		m.Spec.Platforms = append(m.Spec.Platforms, p)
	}
	return yaml.Marshal(m)
}

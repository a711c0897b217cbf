package node

import (
	"bytes"
	"embed"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"

	"restartrules.dev/e2e/cluster/pki"
)

//go:embed config
var configFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	// A Go string of printable characters is quoted alike in JSON, TOML and YAML.
	"quote":  func(parts ...string) string { return strconv.Quote(strings.Join(parts, "")) },
	"base64": base64.StdEncoding.EncodeToString,
}).ParseFS(configFiles, "config/*.tmpl"))

// writeFiles makes the state directory with everything that the components read.
func (c *Cluster) writeFiles() error {
	for _, dir := range []string{"pki", "log", "pid", "cni", "static-pods", "pod-logs", "images"} {
		if err := os.MkdirAll(c.path(dir), 0o755); err != nil {
			return fmt.Errorf("state directory: %w", err)
		}
	}
	if err := c.writeConfig(); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := c.writeCredentials(); err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	return nil
}

func (c *Cluster) writeConfig() error {
	plugins, err := cniPlugins()
	if err != nil {
		return err
	}
	data := c.configData(plugins)
	for file, name := range map[string]string{
		"containerd.toml":              "containerd.toml.tmpl",
		"kubelet.yaml":                 "kubelet.yaml.tmpl",
		"cni/10-restartrules.conflist": "cni.conflist.tmpl",
	} {
		if err := render(c.path(file), name, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// configData is what the templates know.
func (c *Cluster) configData(cniPlugins string) map[string]any {
	return map[string]any{
		"Dir":          c.dir,
		"Socket":       c.socket(),
		"Namespace":    c.namespace(),
		"Subnet":       c.subnet(),
		"Minor":        minor(c.Version),
		"FeatureGates": c.FeatureGates,
		"PauseImage":   PauseImage,
		"CNIPlugins":   cniPlugins,
	}
}

func render(file, name string, data any, mode os.FileMode) error {
	var text bytes.Buffer
	if err := templates.ExecuteTemplate(&text, name, data); err != nil {
		return err
	}
	return os.WriteFile(file, text.Bytes(), mode)
}

func (c *Cluster) writeCredentials() error {
	authority, err := pki.NewAuthority("restartrules-" + c.Name)
	if err != nil {
		return err
	}
	nodeIP := net.IP(c.subnet().Node.AsSlice())
	server, err := authority.Issue(pki.Subject{
		User:     "kube-apiserver",
		DNSNames: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		IPs:      []net.IP{net.IPv4(127, 0, 0, 1), nodeIP, net.ParseIP(serviceIP)},
	})
	if err != nil {
		return err
	}
	admin, err := authority.Issue(pki.Subject{User: "admin", Groups: []string{"system:masters"}})
	if err != nil {
		return err
	}
	kubelet, err := authority.Issue(pki.Subject{User: "system:node:" + NodeName, Groups: []string{"system:nodes"}, DNSNames: []string{NodeName}, IPs: []net.IP{nodeIP}})
	if err != nil {
		return err
	}
	serviceAccountKey, err := pki.NewKey()
	if err != nil {
		return err
	}
	for name, pair := range map[string]pki.Pair{"ca": authority.Pair, "apiserver": server, "admin": admin, "kubelet": kubelet, "service-account": {Key: serviceAccountKey}} {
		if err := os.WriteFile(c.path("pki", name+".key"), pair.Key, 0o600); err != nil {
			return err
		}
		if pair.Certificate == nil {
			continue
		}
		if err := os.WriteFile(c.path("pki", name+".crt"), pair.Certificate, 0o644); err != nil {
			return err
		}
	}
	for file, user := range map[string]pki.Pair{c.Kubeconfig(): admin, c.kubeletKubeconfig(): kubelet} {
		data := map[string]any{"Cluster": "restartrules-" + c.Name, "Node": c.subnet().Node, "Authority": authority.Certificate, "User": user}
		if err := render(file, "kubeconfig.tmpl", data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) kubeletKubeconfig() string { return c.path("kubelet.kubeconfig") }

// cniPlugins is the directory that the distribution has the CNI plugins in.
func cniPlugins() (string, error) {
	dirs := []string{"/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "bridge")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no CNI plugin bridge in %s", strings.Join(dirs, ", "))
}

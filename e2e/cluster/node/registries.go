package node

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// HostAddress is the address of this machine at which the node and its Pods reach it.
func (c *Cluster) HostAddress() netip.Addr { return c.subnet().Host }

// TrustRegistry lets containerd pull from the registry at address, HOST:PORT, whose certificate authority is given as
// PEM. It works at once, and until ForgetRegistry. Credentials come with each Pod.
func (c *Cluster) TrustRegistry(address string, authority []byte) error {
	dir := c.registryDir(address)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("trust registry %s: %w", address, err)
	}
	file := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(file, authority, 0o644); err != nil {
		return fmt.Errorf("trust registry %s: %w", address, err)
	}
	if err := render(filepath.Join(dir, "hosts.toml"), "hosts.toml.tmpl", map[string]string{"Address": address, "Authority": file}, 0o644); err != nil {
		return fmt.Errorf("trust registry %s: %w", address, err)
	}
	return nil
}

// ForgetRegistry undoes TrustRegistry.
func (c *Cluster) ForgetRegistry(address string) error {
	return os.RemoveAll(c.registryDir(address))
}

func (c *Cluster) registryDir(address string) string { return c.path("registries", address) }

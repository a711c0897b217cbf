package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
)

func (c *Cluster) netnsFile() string { return filepath.Join("/run/netns", c.namespace()) }

// hostLink is the name of the host's end of the link to the node. The kernel allows 15 characters.
func (c *Cluster) hostLink() string { return fmt.Sprintf("rr%d", c.Index) }

// createNetwork makes the network namespace of the node, links it to the host's, and routes between the host and the
// Pods. There is no kube-proxy: the service IP of the API server is simply an address of the node.
func (c *Cluster) createNetwork(ctx context.Context) error {
	ns, s := c.namespace(), c.subnet()
	for _, args := range [][]string{
		{"netns", "add", ns},
		{"link", "add", c.hostLink(), "type", "veth", "peer", "name", "eth0", "netns", ns},
		{"addr", "add", s.Host.String() + "/24", "dev", c.hostLink()},
		{"link", "set", c.hostLink(), "up"},
		{"-n", ns, "link", "set", "lo", "up"},
		{"-n", ns, "addr", "add", serviceIP + "/32", "dev", "lo"},
		{"-n", ns, "addr", "add", s.Node.String() + "/24", "dev", "eth0"},
		{"-n", ns, "link", "set", "eth0", "up"},
		{"-n", ns, "route", "add", "default", "via", s.Host.String()},
		{"route", "add", s.Pods.String(), "via", s.Node.String()},
	} {
		if _, err := run(ctx, "ip", args...); err != nil {
			return fmt.Errorf("network of the node: %w", err)
		}
	}
	_, err := run(ctx, "nsenter", "--net="+c.netnsFile(), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
	return err
}

// deleteNetwork undoes createNetwork, however far that came.
func (c *Cluster) deleteNetwork(ctx context.Context) error {
	if _, err := os.Stat(c.netnsFile()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// The kernel removes the link together with the namespace, but later: its name would not be free yet.
	if _, err := run(ctx, "ip", "-n", c.namespace(), "link", "show", "dev", "eth0"); err == nil {
		if _, err := run(ctx, "ip", "-n", c.namespace(), "link", "delete", "dev", "eth0"); err != nil {
			return err
		}
	}
	_, err := run(ctx, "ip", "netns", "delete", c.namespace())
	return err
}

// takenSubnets are those that the host has a route to or an address in, and those of other clusters.
func takenSubnets(ctx context.Context, clusters []*Cluster) ([]netip.Prefix, error) {
	text, err := run(ctx, "ip", "-json", "-4", "route", "show", "table", "all")
	if err != nil {
		return nil, err
	}
	taken, err := routes(text)
	if err != nil {
		return nil, err
	}
	for _, c := range clusters {
		taken = append(taken, c.subnet().All)
	}
	return taken, nil
}

// routes reads the destinations from what `ip -json route` prints, without the default route.
func routes(text string) ([]netip.Prefix, error) {
	var entries []struct{ Dst string }
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		return nil, fmt.Errorf("output of ip route: %w", err)
	}
	var prefixes []netip.Prefix
	for _, entry := range entries {
		if prefix, err := netip.ParsePrefix(entry.Dst); err == nil {
			prefixes = append(prefixes, prefix)
		} else if addr, err := netip.ParseAddr(entry.Dst); err == nil {
			prefixes = append(prefixes, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	return prefixes, nil
}

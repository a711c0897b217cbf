package node

import (
	"context"
	"fmt"
	"os"
)

// shareKubeletMounts makes the kubelet's directory a mount that passes on mounts, where the machine's isn't. The kubelet
// would do so itself, and in the meantime fail to rename its socket into place: "invalid cross-device link" (upstream:
// pkg/volume/util/hostutil/hostutil_linux.go, DoMakeRShared).
func (c *Cluster) shareKubeletMounts(ctx context.Context) error {
	dir := c.path("kubelet")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("the kubelet's directory: %w", err)
	}
	for _, args := range [][]string{{"--bind", dir, dir}, {"--make-rshared", dir}} {
		if _, err := run(ctx, "mount", args...); err != nil {
			return fmt.Errorf("share the mounts of the kubelet's directory: %w", err)
		}
	}
	return nil
}

//go:build e2e

package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// onDisk is a Pod whose volume of ours is another file system, which mount mounts.
func onDisk(t *testing.T, policy corev1.RestartPolicy, mount func(volume string) error) *pod {
	t.Helper()
	return newPod(t, shape{policy: policy, beforeStart: func(p *pod) {
		require.NoError(t, eventually(t.Context(), "the Pod's volume", func() error {
			info, err := os.Stat(p.volume())
			if err == nil && info.Mode().Perm() != 0o777 {
				err = fmt.Errorf("mode %v", info.Mode())
			}
			return err
		}))
		require.NoError(t, mount(p.volume()))
		t.Cleanup(func() { // after the Pod
			if err := unix.Unmount(p.volume(), unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
				require.NoError(t, err) // the kubelet has not done it either
			}
		})
	}})
}

func mountTmpfs(volume string) error {
	return unix.Mount("tmpfs", volume, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=12m,nr_inodes=200,mode=0777")
}

// fill takes what is left of a file system.
func fill(t *testing.T, dir string) (free func()) {
	filler := filepath.Join(dir, "filler")
	require.NoError(t, os.Mkdir(filler, 0o755))
	require.ErrorIs(t, os.WriteFile(filepath.Join(filler, "bytes"), make([]byte, 12<<20), 0o644), unix.ENOSPC)
	var err error
	for i := 0; err == nil; i++ {
		err = os.WriteFile(filepath.Join(filler, fmt.Sprint(i)), nil, 0o644)
	}
	require.ErrorIs(t, err, unix.ENOSPC)
	return func() { require.NoError(t, os.RemoveAll(filler)) }
}

func TestDiskIsFull(t *testing.T) {
	t.Parallel()
	for _, policy := range []corev1.RestartPolicy{corev1.RestartPolicyNever, corev1.RestartPolicyOnFailure} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			p := onDisk(t, policy, mountTmpfs)
			free := fill(t, p.volume())
			for range 3 {
				faults.add("disk full (ENOSPC)", "restart")
				p.restart()
			}
			time.Sleep(rest)
			w, err := p.watcher()
			require.NoError(t, err)
			require.NoError(t, p.exit(source))
			require.NoError(t, syscall.Kill(w.pid, syscall.SIGKILL))
			faults.add("disk full (ENOSPC)", "watcher killed")
			time.Sleep(shortage)
			free()
			p.restarted()
			p.restart()
			p.checkUntouched()
		})
	}
}

// A file system without open files becomes read-only while there is no watcher, and writable again.
func TestDiskIsReadOnlyForAWhile(t *testing.T) {
	t.Parallel()
	p := onDisk(t, corev1.RestartPolicyNever, mountTmpfs)
	shim, err := p.watcherShim()
	require.NoError(t, err)
	w, err := p.watcher()
	require.NoError(t, err)
	lift := noMoreProcesses(t, shim)
	require.NoError(t, syscall.Kill(w.pid, syscall.SIGKILL))
	require.NoError(t, eventually(t.Context(), "the volume is read-only", func() error {
		return unix.Mount("", p.volume(), "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}))
	lift()
	require.NoError(t, p.exit(source))
	faults.add("disk read-only (EROFS)", "watcher killed")
	time.Sleep(shortage)
	require.NoError(t, unix.Mount("", p.volume(), "", unix.MS_REMOUNT, ""))
	p.restarted()
	p.restart()
	p.checkUntouched()
}

// A file system with an error is read-only from then on. Restarts go on as long as there is a watcher.
func TestDiskHasAnError(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip("needs mkfs.ext4 for a file system that can be told that it has an error: ", err)
	}
	image := filepath.Join(t.TempDir(), "disk")
	device := ""
	p := onDisk(t, corev1.RestartPolicyNever, func(volume string) (err error) {
		commands := [][]string{
			{"truncate", "--size=16M", image},
			{"mkfs.ext4", "-q", "-F", image},
			{"mount", "-o", "loop,errors=remount-ro", image, volume},
			{"chmod", "0777", volume},
		}
		for _, c := range commands {
			if output, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w\n%s", strings.Join(c, " "), err, output)
			}
		}
		device, err = mountedFrom(volume)
		return err
	})
	p.restart()
	trigger := filepath.Join("/sys/fs/ext4", filepath.Base(device), "trigger_fs_error")
	require.NoError(t, os.WriteFile(trigger, []byte("1"), 0))
	require.ErrorIs(t, os.WriteFile(filepath.Join(p.volume(), "test"), nil, 0o644), unix.EROFS)
	for range 3 {
		faults.add("disk read-only (EROFS)", "restart")
		require.NoError(t, p.exit(source))
		p.restartedUnjournaled()
	}
	require.NoError(t, errors.Join(p.exit(worker), p.order(0)))
	p.waitPhase(corev1.PodSucceeded)
}

// mountedFrom is the device of a mount.
func mountedFrom(dir string) (string, error) {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == dir {
			return fields[0], nil
		}
	}
	return "", fmt.Errorf("%s is no mount", dir)
}

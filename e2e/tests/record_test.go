//go:build e2e

package tests

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const lookAgain = 50 * time.Millisecond

// readRecord reads a record of the test's Pod. The cluster from source has the node's files here.
func readRecord(t *testing.T, container string) (string, error) {
	if cluster.Local == nil {
		return readFromNode(t, filepath.Join(records, t.Name(), container))
	}
	b, err := os.ReadFile(filepath.Join(records, t.Name(), container))
	return string(b), err
}

// contextForCleanup is for what a test does when it is over, and its own context with it.
func contextForCleanup(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// readFromNode reads a file of the node of an existing cluster, through a Pod that mounts it.
func readFromNode(t *testing.T, path string) (string, error) {
	t.Helper()
	stdout, _, err := kubectl(t, "", "exec", "-n", plain, readerPod(t), "--", "cat", path)
	return stdout, err
}

// readerPod makes the Pod that mounts the node's records, once.
func readerPod(t *testing.T) string {
	t.Helper()
	const name = "record-reader"
	_, stderr, err := kubectl(t, `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "`+name+`"},
		"spec": {"containers": [{"name": "reader", "image": "`+appImage+`", "command": ["/app"],
			"volumeMounts": [{"name": "records", "mountPath": "`+records+`"}]}],
			"volumes": [{"name": "records", "hostPath": {"path": "`+records+`", "type": "DirectoryOrCreate"}}]}}`,
		"apply", "-n", plain, "-f", "-")
	require.NoError(t, err, stderr)
	_, stderr, err = kubectl(t, "", "wait", "-n", plain, "--for=condition=Ready", "pod/"+name)
	require.NoError(t, err, stderr)
	return name
}

//go:build e2e

// Package tests are the tests on a real kubelet: by default on the cluster from source, which is
// booted if it is not up, else on the one that KUBECONFIG points at (CLUSTER=existing).
package tests

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/e2e/install"
	"restartrules.dev/pkg/api"
)

const (
	root = "../.."
	// enabled is the namespace of the tests' Pods; it has opted in. plain has not.
	enabled = "restartrules-e2e"
	plain   = "restartrules-e2e-plain"

	appImage = "localhost/restartrules/app:dev"
)

var (
	cluster *install.Cluster
	client  *kubernetes.Clientset
	// apiServer is the API server's version.
	apiServer *version.Version
	// hasFields says that the API server passes native rules on to webhooks, be its gates on or off.
	hasFields bool
)

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := setUp(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func setUp(ctx context.Context) error {
	var err error
	if cluster, err = install.Open(ctx, root, os.Stderr); err != nil {
		return err
	}
	if err := installAll(ctx); err != nil {
		return err
	}
	// The tests ask for warnings where they matter.
	if client, err = cluster.Client(); err != nil {
		return err
	}
	info, err := client.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	if apiServer, err = version.ParseGeneric(info.GitVersion); err != nil {
		return err
	}
	hasFields = apiServer.AtLeast(version.MustParseGeneric("1.34.0"))
	for _, namespace := range []*corev1.Namespace{
		{ObjectMeta: metav1.ObjectMeta{Name: enabled, Labels: map[string]string{api.InjectLabel: api.InjectEnabled}}},
		{ObjectMeta: metav1.ObjectMeta{Name: plain}},
	} {
		if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return waitForServiceAccounts(ctx)
}

// installAll installs what all tests but those that say otherwise run with.
func installAll(ctx context.Context) error {
	return cluster.InstallFrom(ctx, "e2e/tests/testdata/configured")
}

// needsFields skips a test of native fields where there are none.
func needsFields(t *testing.T) {
	t.Helper()
	if !hasFields {
		t.Skip("needs an API server from 1.34 on: this one has no restartPolicyRules")
	}
}

// needsSleep skips a test of hooks that sleep where there are none.
func needsSleep(t *testing.T) {
	t.Helper()
	if !apiServer.AtLeast(version.MustParseGeneric("1.30.0")) {
		t.Skip("needs an API server from 1.30 on: this one has no lifecycle handler sleep")
	}
}

// waitForServiceAccounts waits for what Pods in a new namespace need.
func waitForServiceAccounts(ctx context.Context) error {
	for _, namespace := range []string{enabled, plain} {
		for {
			_, err := client.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{})
			if err == nil {
				break
			}
			if !apierrors.IsNotFound(err) {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}

// kubectl runs kubectl as a user does, with the manifest on stdin, and gives its stdout and stderr.
func kubectl(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return cluster.RunKubectl(ctx, stdin, args...)
}

// patience is how long a Pod may take for anything that it should do at once: the machine may be busy.
const patience = 90 * time.Second

// eventually looks until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 50*time.Millisecond, what)
}

// inBothNamespaces runs the test with the Pod's process namespace shared and not shared.
func inBothNamespaces(t *testing.T, test func(t *testing.T, shared bool)) {
	t.Run("shared process namespace", func(t *testing.T) { t.Parallel(); test(t, true) })
	t.Run("own process namespaces", func(t *testing.T) { t.Parallel(); test(t, false) })
}

// onlyLocal skips a test that has to reach into the node's processes.
func onlyLocal(t *testing.T) {
	t.Helper()
	if cluster.Local == nil {
		t.Skip("needs the cluster from source: it reaches into the node")
	}
}

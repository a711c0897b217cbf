//go:build e2e

package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/install"
	"restartrules.dev/pkg/api"
)

const (
	root        = "../.."
	clusterName = "chaos"
	namespace   = "restartrules-chaos"
	appImage    = "localhost/restartrules/app:dev"
	// records is a directory of the node and, as that is here, of this machine.
	records = "/tmp/restartrules-chaos"
)

var (
	seed = flag.Uint64("seed", 0, "replays the faults of a run; 0: another each time")

	local  *node.Cluster
	client *kubernetes.Clientset
	faults tally
)

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(install.ClusterEnv) == "existing" {
		fmt.Println("--- SKIP: all of it: kills processes, restarts the kubelet and mounts file systems on the node, which has to be this machine; needs a cluster from source")
		return
	}
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	fmt.Printf("seed %d (replay it by: make test-chaos SEED=%d)\n", *seed, *seed)
	code := 1
	err := setUp()
	if err == nil {
		code = m.Run()
		fmt.Print(faults.String())
	}
	if err = errors.Join(err, tearDown()); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		code = 1
	}
	os.Exit(code)
}

func setUp() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if local, err = node.Up(ctx, node.Options{Name: clusterName, Out: os.Stderr}); err != nil {
		return err
	}
	if err := hurryKubelet(ctx); err != nil {
		return err
	}
	installed := install.At(local, root)
	if err := installed.Install(ctx); err != nil {
		return err
	}
	if client, err = installed.Client(); err != nil {
		return err
	}
	_, err = client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{api.InjectLabel: api.InjectEnabled}}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return eventually(ctx, "the namespace has a service account", func() error {
		_, err := client.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// hurryKubelet has the kubelet wait a second at most before it starts a container again: shims are killed often.
func hurryKubelet(ctx context.Context) error {
	file := filepath.Join(filepath.Dir(local.Kubeconfig()), "kubelet.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	const line = "crashLoopBackOff: {maxContainerRestartPeriod: 1s}\n"
	if string(text[max(0, len(text)-len(line)):]) == line {
		return nil
	}
	if err := os.WriteFile(file, append(text, line...), 0o644); err != nil {
		return err
	}
	return local.RestartKubelet(ctx)
}

// tearDown ends the cluster, unless KEEP is set.
func tearDown() error {
	if os.Getenv("KEEP") != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	// The records last: what runs on the node makes their directories again.
	return errors.Join(node.Down(ctx, clusterName, os.Stderr), os.RemoveAll(records))
}

// newRandom is the test's own source of chance: what it gives depends on the seed and the test's name only.
func newRandom(t *testing.T) *rand.Rand {
	name := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(t.Name()) {
		name = (name ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(*seed, name))
}

// patience is how long something may take that should happen at once: the machine may be busy.
const patience = 60 * time.Second

// eventually asks until there is no error.
func eventually(ctx context.Context, what string, check func() error) error {
	return within(ctx, patience, what, check)
}

func within(ctx context.Context, limit time.Duration, what string, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %w", what, limit, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

package native

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"restartrules.dev/pkg/compile"
)

// node is what counts of a node.
type node struct {
	name, kubelet string
	declares      []string
}

var (
	restartSince    = version.MustParseGeneric("1.35.0")
	restartAllSince = version.MustParseGeneric("1.35.0")
)

// restarts says whether the kubelet acts on container policies and the action Restart. No kubelet declares
// that; the gate is on by default from 1.35 on (upstream: pkg/features/kube_features.go).
func (n node) restarts() (bool, string) {
	return n.since(restartSince, compile.RestartFeature)
}

// restartsAll says whether the kubelet restarts all containers. It declares that; but a declaration outlives
// its kubelet (upstream: pkg/kubelet/kubelet_node_status.go), so the version counts too.
func (n node) restartsAll() (bool, string) {
	if ok, why := n.since(restartAllSince, compile.RestartAllFeature); !ok {
		return false, why
	}
	if !slices.Contains(n.declares, compile.RestartAllFeature) {
		return false, "its kubelet does not declare the feature"
	}
	return true, ""
}

func (n node) since(least *version.Version, feature string) (bool, string) {
	v, err := version.ParseSemantic(n.kubelet)
	if err != nil {
		return false, fmt.Sprintf("its kubelet says that it is %q, which is no version", n.kubelet)
	}
	// A pre-release of 1.35.0 counts as 1.35.0.
	if v.WithPreRelease("").LessThan(least) {
		return false, fmt.Sprintf("its kubelet is %s, which has no %s", n.kubelet, feature)
	}
	return true, ""
}

// nodes are the cluster's, as a watch knows them.
type nodes struct {
	store   cache.Store
	changed chan struct{}
}

// watchNodes begins to watch all nodes, and waits until they are known. What it returns is to be stopped.
func watchNodes(ctx context.Context, client kubernetes.Interface) (*nodes, func(), error) {
	factory := informers.NewSharedInformerFactory(client, 0)
	informer := factory.Core().V1().Nodes().Informer()
	if err := informer.SetTransform(essence); err != nil {
		return nil, nil, fmt.Errorf("watch nodes: %w", err)
	}
	n := &nodes{store: informer.GetStore(), changed: make(chan struct{}, 1)}
	notify := func() {
		select {
		case n.changed <- struct{}{}:
		default: // somebody knows already
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { notify() },
		DeleteFunc: func(any) { notify() },
		UpdateFunc: func(before, after any) {
			b, isNode := before.(*corev1.Node)
			a, stillNode := after.(*corev1.Node)
			if !isNode || !stillNode || b.Status.NodeInfo.KubeletVersion != a.Status.NodeInfo.KubeletVersion ||
				!slices.Equal(b.Status.DeclaredFeatures, a.Status.DeclaredFeatures) {
				notify()
			}
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("watch nodes: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	factory.Start(ctx.Done())
	stop := sync.OnceFunc(func() { cancel(); factory.Shutdown() })
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		stop()
		return nil, nil, fmt.Errorf("watch nodes: %w", ctx.Err())
	}
	return n, stop, nil
}

// essence drops all of a node but what counts: a cluster may have thousands.
func essence(object any) (any, error) {
	n, ok := object.(*corev1.Node)
	if !ok {
		return object, nil
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, UID: n.UID, ResourceVersion: n.ResourceVersion},
		Status: corev1.NodeStatus{DeclaredFeatures: n.Status.DeclaredFeatures,
			NodeInfo: corev1.NodeSystemInfo{KubeletVersion: n.Status.NodeInfo.KubeletVersion}},
	}, nil
}

// all are the nodes by name.
func (n *nodes) all() []node {
	var list []node
	for _, object := range n.store.List() {
		if o, ok := object.(*corev1.Node); ok {
			list = append(list, node{o.Name, o.Status.NodeInfo.KubeletVersion, o.Status.DeclaredFeatures})
		}
	}
	slices.SortFunc(list, func(a, b node) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return list
}

// wait waits until something has changed and a moment has passed, or for so long. It returns false when the
// context has ended.
func (n *nodes) wait(ctx context.Context, atMost time.Duration) bool {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-n.changed:
		timer.Reset(settle)
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

//go:build e2e

package installs

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"

	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
)

const systemNamespace = "restartrules-system"

// leftovers are the objects of any kind that are ours: by their label, their name or their namespace. Users' Pods are not.
func leftovers(t *testing.T, c *testcluster.Cluster) []string {
	t.Helper()
	client, err := metadata.NewForConfig(restConfig(t, c))
	require.NoError(t, err)
	lists, err := c.API.Discovery().ServerPreferredResources()
	require.NoError(t, err)
	lists = discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list"}}, lists)
	require.NotEmpty(t, lists)
	var found []string
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		require.NoError(t, err)
		for _, resource := range list.APIResources {
			if resource.Name == "events" {
				continue // they tell of what was
			}
			objects, err := client.Resource(gv.WithResource(resource.Name)).List(t.Context(), metav1.ListOptions{})
			if apierrors.IsNotFound(err) {
				continue // the kind has gone meanwhile
			}
			require.NoError(t, err, resource.Name)
			for _, o := range objects.Items {
				if ours(&o) {
					found = append(found, resource.Name+" "+strings.TrimPrefix(o.Namespace+"/"+o.Name, "/"))
				}
			}
		}
	}
	return found
}

func ours(o *metav1.PartialObjectMetadata) bool {
	return o.Labels["app.kubernetes.io/name"] == "restartrules" || o.Namespace == systemNamespace ||
		strings.Contains(o.Name, "restartrules") || strings.Contains(o.Name, api.InjectLabel)
}

// lasting are the objects that are not made anew with each rollout, nor by controllers for others.
func lasting(objects []string) (found []string) {
	for _, o := range objects {
		switch kind, name, _ := strings.Cut(o, " "); {
		case strings.Contains(name, "/sh.helm.release."):
		case slices.Contains([]string{"pods", "replicasets", "controllerrevisions", "endpointslices", "endpoints", "leases"}, kind):
		default:
			found = append(found, o)
		}
	}
	return found
}

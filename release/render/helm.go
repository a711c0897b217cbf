package render

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Release is where and with which values a chart is rendered.
type Release struct {
	Namespace string
	Values    map[string]any
}

// Helm renders the chart in the directory. Values that the chart's schema refuses are an error.
func Helm(ctx context.Context, directory string, release Release) ([]unstructured.Unstructured, error) {
	c, err := loader.Load(directory)
	if err != nil {
		return nil, err
	}
	return helm(ctx, c, release)
}

func helm(ctx context.Context, c *chart.Chart, release Release) ([]unstructured.Unstructured, error) {
	values, err := util.ToRenderValues(c, release.Values,
		common.ReleaseOptions{Name: "restartrules", Namespace: release.Namespace, Revision: 1, IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Engine{Strict: true}.RenderWithContext(ctx, c, values)
	if err != nil {
		return nil, err
	}
	var objects []unstructured.Unstructured
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for text := range strings.SplitSeq("\n"+files[name], "\n---\n") {
			if strings.TrimSpace(text) == "" {
				continue
			}
			var o unstructured.Unstructured
			if err := yaml.UnmarshalStrict([]byte(text), &o.Object); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			objects = append(objects, o)
		}
	}
	return objects, nil
}

package check

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/compile"
)

// ready is a cluster that Restart Rules can be installed in.
func ready() *Before {
	return &Before{Version: "v1.33.4", Nodes: []corev1.Node{node("a", "v1.33.4")}, Native: new(compile.Features), Sidecars: new(true), Conditions: new(true)}
}

func TestBefore(t *testing.T) {
	found := map[string]bool{}
	for name, tc := range map[string]struct {
		code   string // empty: nothing is wrong
		change func(*Before)
	}{
		"pre fine": {"", func(*Before) {}},
		"pre native": {"", func(b *Before) {
			b.Version, b.CertManager, b.Installed = "v1.36.0", true, true
			b.Nodes = []corev1.Node{node("a", "v1.36.0"), node("b", "v1.36.1")}
			b.Native = &compile.Features{Restart: true, RestartAll: true}
		}},
		"pre old API server":    {OldAPIServer, func(b *Before) { b.Version, b.Nodes, b.Sidecars = "v1.28.9", nil, new(bool) }},
		"pre old kubelet":       {OldKubelet, func(b *Before) { b.Nodes = append(b.Nodes, node("b", "v1.28.9-gke.1")) }},
		"pre no sidecars":       {NoSidecars, func(b *Before) { b.Version, b.Sidecars = "v1.29.0-rc.1", new(bool) }},
		"pre no rights":         {NoRights, func(b *Before) { b.MissingRights = []string{"create services in namespace restartrules-system"} }},
		"pre no conditions":     {NoAdmission, func(b *Before) { b.Conditions = new(bool) }},
		"pre cert-manager down": {CertManagerUnfit, func(b *Before) { b.CertManager, b.CertManagerError = true, "no endpoints available" }},
		"pre refused":           {PodsRefused, func(b *Before) { b.Refused = map[string]string{"a": "exceeded quota"} }},
	} {
		t.Run(name, func(t *testing.T) {
			b := ready()
			tc.change(b)
			r := JudgeBefore(b)
			if tc.code == "" {
				require.Empty(t, r.Findings)
			} else {
				require.Len(t, r.Findings, 1)
				require.Equal(t, tc.code, r.Findings[0].Code)
				found[tc.code] = true
			}
			golden(t, name, r)
		})
	}
	for _, code := range Codes {
		if strings.HasPrefix(code.Code, "RR2") {
			require.True(t, found[code.Code], "%s is not tested", code.Code)
		}
	}
}

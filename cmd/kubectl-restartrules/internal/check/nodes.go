package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/configuration"
	"restartrules.dev/pkg/native"
)

// everyNode is what all nodes have, and for each feature the nodes that lack it, each with the reason.
func (c *Cluster) everyNode() (all compile.Features, lacks map[string][]string) {
	all, lacks = compile.Features{Restart: len(c.Nodes) > 0, RestartAll: len(c.Nodes) > 0}, map[string][]string{}
	for i := range c.Nodes {
		has, why := native.OfNode(&c.Nodes[i])
		all.Restart, all.RestartAll = all.Restart && has.Restart, all.RestartAll && has.RestartAll
		for _, name := range featureNames(compile.Features{Restart: true, RestartAll: true}) {
			if why[name] != "" {
				lacks[name] = append(lacks[name], c.Nodes[i].Name+" ("+why[name]+")")
			}
		}
	}
	return all, lacks
}

// mode is what the webhook's configuration says, and its flags, which win: its mode, and what it leaves to the cluster.
func (c *Cluster) mode() (mode string, features compile.Features, known bool) {
	if c.Deployment == nil {
		return "", features, false
	}
	mode = configuration.ModeEmulate
	if c.Configuration != nil {
		mode = cmp.Or(c.Configuration.Mode, mode)
		features, _ = compile.ParseFeatures(c.Configuration.NativeFeatures)
	}
	for _, container := range c.Deployment.Spec.Template.Spec.Containers {
		for _, arg := range slices.Concat(container.Command, container.Args) {
			name, value, _ := strings.Cut(arg, "=")
			switch name {
			case "--mode":
				mode = value
			case "--native-features":
				// The webhook does not start with names that it doesn't know.
				features, _ = compile.ParseFeatures(strings.Split(value, ","))
			}
		}
	}
	return mode, features, true
}

// nodes finds nodes that keep rules from being left to the cluster, or on which nobody acts on them.
func (c *Cluster) nodes(r *Result) {
	mode, left, known := c.mode()
	if !known || len(c.Nodes) == 0 {
		return
	}
	_, lacks := c.everyNode()
	for _, name := range featureNames(left) {
		if len(lacks[name]) > 0 {
			r.add(Finding{NodeSkew, Error, "Deployment/" + c.System() + "/" + WebhookName,
				fmt.Sprintf("--native-features leaves %s to the cluster, and it is missing on %s", name, some(lacks[name])),
				"on these nodes nobody acts on restart rules that need it. With --mode=auto the webhook finds out itself what all nodes have",
				fmt.Sprintf("kubectl -n %s edit deployment %s    # in args, in place of --native-features: --mode=auto", c.System(), WebhookName)})
		}
	}
	if mode != configuration.ModeAuto || c.Native == nil {
		return
	}
	for _, name := range featureNames(*c.Native) {
		if n := len(lacks[name]); n > 0 && n < len(c.Nodes) {
			r.add(skew(name, lacks[name], len(c.Nodes)))
		}
	}
}

// skew is the finding of a cluster in which only some nodes lack a feature.
func skew(name string, lack []string, of int) Finding {
	node, _, _ := strings.Cut(lack[0], " ")
	return Finding{NodeSkew, Warning, "Node/" + node,
		fmt.Sprintf("%d of %s lack %s, which the API server has: %s", len(lack), counted(of, "node"), name, some(lack)),
		"a Pod may come to any node, so with --mode=auto everything is still emulated that this feature would do, on all nodes",
		fmt.Sprintf("kubectl drain %s --ignore-daemonsets --delete-emptydir-data    # then upgrade its kubelet, or turn its feature gate on", node)}
}

// some are the first of a list, and how many more there are.
func some(list []string) string {
	const shown = 3
	if len(list) <= shown {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s, and %d more", strings.Join(list[:shown], ", "), len(list)-shown)
}

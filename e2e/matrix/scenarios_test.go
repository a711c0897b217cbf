//go:build e2e

package matrix

import corev1 "k8s.io/api/core/v1"

// Words of the table below.
const (
	podAlways    = corev1.RestartPolicyAlways
	podOnFailure = corev1.RestartPolicyOnFailure
	podNever     = corev1.RestartPolicyNever

	running   = corev1.PodRunning
	succeeded = corev1.PodSucceeded
	failed    = corev1.PodFailed
)

// containers saves words in the table.
type containers = []container

// smallScenarios are what the rules, the containers' policies and the Pod's can mean, a Pod each. A
// container ends with its codes one after the other, and starts as often as it has codes: no container
// comes back after the last.
var smallScenarios = []pod{
	// Rules and policies of one regular container.
	{name: "retry on 42 under Never, then success", policy: podNever, phase: succeeded,
		regular: containers{c("a", "42,0").is(never, in(42))}},
	{name: "retry on 42 under Never, then another code", policy: podNever, phase: failed,
		regular: containers{c("a", "42,3").is(never, in(42))}},
	{name: "two retries", policy: podNever, phase: failed,
		regular: containers{c("a", "42,42,3").is(never, in(42))}},
	{name: "no rule matches", policy: podNever, phase: failed,
		regular: containers{c("a", "3").is(never, in(42))}},
	{name: "one try under Always, failure", policy: podAlways, phase: failed,
		regular: containers{c("a", "5").is(never)}},
	{name: "one try under Always, success", policy: podAlways, phase: succeeded,
		regular: containers{c("a", "0").is(never)}},
	{name: "one try under OnFailure", policy: podOnFailure, phase: failed,
		regular: containers{c("a", "5").is(never)}},
	{name: "retry on 42 under Always, then another code", policy: podAlways, phase: failed,
		regular: containers{c("a", "42,3").is(never, in(42))}},
	{name: "retry on 42 under OnFailure, then another code", policy: podOnFailure, phase: failed,
		regular: containers{c("a", "42,3").is(never, in(42))}},
	{name: "NotIn", policy: podNever, phase: failed,
		regular: containers{c("a", "1,7").is(never, notIn(0, 7))}},
	{name: "NotIn, success", policy: podNever, phase: succeeded,
		regular: containers{c("a", "1,0").is(never, notIn(0, 7))}},
	{name: "In nothing", policy: podNever, phase: failed,
		regular: containers{c("a", "42").is(never, in())}},
	{name: "NotIn nothing restarts anything", policy: podNever, phase: running,
		regular: containers{c("a", "0").goesOn().is(never, notIn())}},
	{name: "Restart on 0", policy: podNever, phase: failed,
		regular: containers{c("a", "0,1").is(never, in(0))}},
	{name: "Restart on 0, policy OnFailure", policy: podNever, phase: running,
		regular: containers{c("a", "0,1").goesOn().is(onFailure, in(0))}},
	{name: "the second rule matches", policy: podNever, phase: failed,
		regular: containers{c("a", "9,2").is(never, in(1), notIn(1, 2, 3))}},
	{name: "two rules match", policy: podNever, phase: succeeded,
		regular: containers{c("a", "1,0").is(never, in(1, 2), notIn(0))}},
	{name: "codes that no container has", policy: podNever, phase: failed,
		regular: containers{c("a", "255").is(never, in(-1, 256, 511))}},
	{name: "137 and 255 are codes like others", policy: podNever, phase: failed,
		regular: containers{c("a", "137,255,1").is(never, in(137, 255))}},
	{name: "no match, policy OnFailure", policy: podNever, phase: succeeded,
		regular: containers{c("a", "7,0").is(onFailure, in(42))}},
	{name: "no match, policy Always", policy: podNever, phase: running,
		regular: containers{c("a", "0").goesOn().is(always, in(42))}},

	// Policies without rules.
	{name: "OnFailure in a Never Pod", policy: podNever, phase: succeeded,
		regular: containers{c("a", "1,0").is(onFailure)}},
	{name: "OnFailure in an Always Pod", policy: podAlways, phase: succeeded,
		regular: containers{c("a", "1,0").is(onFailure)}},
	{name: "Always in a Never Pod", policy: podNever, phase: running,
		regular: containers{c("a", "0").goesOn().is(always)}},
	{name: "Always in an OnFailure Pod", policy: podOnFailure, phase: running,
		regular: containers{c("a", "0").goesOn().is(always)}},

	// Several regular containers.
	{name: "Never fails next to one that goes on", policy: podAlways, phase: running,
		regular: containers{c("a", "1").is(never), c("b", "0").running("3s").goesOn()}},
	{name: "Never succeeds next to one that goes on", policy: podAlways, phase: running,
		regular: containers{c("a", "0").is(never), c("b", "0").running("3s").goesOn()}},
	{name: "different codes, one fails", policy: podAlways, phase: failed,
		regular: containers{c("a", "0").is(never), c("b", "3").is(never), c("d", "42,0").is(never, in(42))}},
	{name: "different codes, all succeed in the end", policy: podAlways, phase: succeeded,
		regular: containers{c("a", "0").is(never), c("b", "3,0").is(onFailure), c("d", "42,0").is(never, in(42))}},
	{name: "no policy of its own in a Never Pod", policy: podNever, phase: failed,
		regular: containers{c("a", "42,0").is(never, in(42)), c("b", "42")}},
	{name: "no policy of its own in an OnFailure Pod", policy: podOnFailure, phase: failed,
		regular: containers{c("a", "1").is(never), c("b", "1,0")}},
	{name: "one ends while the other waits to be restarted", policy: podNever, phase: succeeded,
		regular: containers{c("a", "42,42,0").is(never, in(42)), c("b", "0").running("4s")}},

	// Init containers.
	{name: "init: rules without a match fail the Pod", policy: podAlways, phase: failed,
		init: containers{c("i", "7").is(never, in(42))}, regular: containers{forever("a").unstarted()}},
	{name: "init: Never under Always", policy: podAlways, phase: failed,
		init: containers{c("i", "7").is(never)}, regular: containers{forever("a").unstarted()}},
	{name: "init: Never under Always, success", policy: podAlways, phase: running,
		init: containers{c("i", "0").is(never)}, regular: containers{c("a", "0").goesOn()}},
	{name: "init: Never under OnFailure", policy: podOnFailure, phase: failed,
		init: containers{c("i", "7").is(never)}, regular: containers{forever("a").unstarted()}},
	{name: "init: OnFailure under Never is retried", policy: podNever, phase: succeeded,
		init: containers{c("i", "1,0").is(onFailure)}, regular: containers{c("a", "0")}},
	{name: "init: retry on 42 under Never", policy: podNever, phase: succeeded,
		init: containers{c("i", "42,0").is(never, in(42))}, regular: containers{c("a", "0")}},
	{name: "init: retry on 42, then another code", policy: podAlways, phase: failed,
		init: containers{c("i", "42,7").is(never, in(42))}, regular: containers{forever("a").unstarted()}},
	{name: "init: no match, policy OnFailure", policy: podNever, phase: succeeded,
		init: containers{c("i", "7,0").is(onFailure, in(42))}, regular: containers{c("a", "0")}},
	{name: "init: success is not restarted, NotIn", policy: podNever, phase: succeeded,
		init: containers{c("i", "0").is(never, notIn(5))}, regular: containers{c("a", "0")}},
	{name: "init: success is not restarted, In 0", policy: podNever, phase: succeeded,
		init: containers{c("i", "0").is(never, in(0))}, regular: containers{c("a", "0")}},
	{name: "init: by the Pod's policy, next to a container with rules", policy: podOnFailure, phase: failed,
		init: containers{c("i", "1,0")}, regular: containers{c("a", "42,3").is(never, in(42))}},
	{name: "init: the second fails", policy: podAlways, phase: failed,
		init:    containers{c("i", "42,0").is(never, in(42)), c("j", "7").is(never), c("k", "0").unstarted()},
		regular: containers{forever("a").unstarted()}},
	{name: "init: each its own policy", policy: podNever, phase: failed,
		init:    containers{c("i", "1,0").is(onFailure), c("j", "42,0").is(never, in(42))},
		regular: containers{c("a", "42,3").is(never, in(42)), c("b", "0")}},

	// Sidecars.
	{name: "sidecar: ends with the Pod", policy: podNever, phase: succeeded,
		init: containers{forever("s").is(always)}, regular: containers{c("a", "42,0").is(never, in(42))}},
	{name: "sidecar: restarted under Never", policy: podNever, phase: failed,
		init: containers{c("s", "1").goesOn().is(always)}, regular: containers{c("a", "42,3").running("4s").is(never, in(42))}},
	{name: "sidecar: one try under Always", policy: podAlways, phase: failed,
		init: containers{forever("s").is(always)}, regular: containers{c("a", "3").is(never)}},
	{name: "sidecar: an init container after it fails", policy: podAlways, phase: failed,
		init:    containers{forever("s").is(always), c("i", "42,7").is(never, in(42))},
		regular: containers{forever("a").unstarted()}},
	{name: "sidecar: an init container after it is retried", policy: podNever, phase: succeeded,
		init:    containers{forever("s").is(always), c("i", "1,0").is(onFailure)},
		regular: containers{c("a", "0")}},
}

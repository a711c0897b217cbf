package pages

import "strings"

// Here is who runs a command of the documentation as it is typed: the tests in e2e/docs.
const Here = "e2e/docs"

// Run says what runs commands of a page: those of a section, or all; those that begin with a text, or all. By is Here, a
// test's function, or "make" and a target.
type Run struct{ Page, Section, Command, By string }

// Runs are all commands in the documentation. The first that fits holds.
var Runs = []Run{
	{"docs/getting-started.md", "", "", Here},
	{"docs/troubleshooting.md", "", "kubectl restartrules pause", "TestLiveGolden"},
	{"docs/troubleshooting.md", "", "", Here},
	{"docs/training.md", "", "", Here},
	{"docs/combinations.md", "", "kubectl restartrules explain", "TestGolden"},

	{"README.md", "A tour in 60 seconds", "", Here},
	{"README.md", "See it and steer it", "kubectl restartrules pause", "TestPausedPodsFollowTheirOwnPolicy"},
	{"README.md", "See it and steer it", "kubectl restartrules", "TestThePluginRestartsAndTellsOfIt"},
	{"README.md", "Install it", "helm install", "TestInstalls"},
	{"README.md", "Install it", "kubectl apply", "TestInstalls"},
	{"README.md", "Install it", "kubectl", Here},

	{"docs/operations.md", "Install", "kubectl apply", "TestInstalls"},
	{"docs/operations.md", "Install", "helm install", "TestInstalls"},
	{"docs/operations.md", "Install", "go run ./certs", "make deploy"},
	{"docs/operations.md", "Install", "kubectl", Here},
	{"docs/operations.md", "Certificates", "kubectl -n restartrules-system patch secret", "TestInstalls"},
	{"docs/operations.md", "Certificates", "kubectl -n restartrules-system get secret", Here},
	{"docs/operations.md", "Certificates", "go run ./certs", "make deploy"},
	{"docs/operations.md", "Certificates", "cmctl renew", "TestInstalls"},
	{"docs/operations.md", "Flags of the webhook", "go run ./cmd/webhook", "TestServeHelp"},
	{"docs/operations.md", "Upgrade", "kubectl", "TestInstalls"},
	{"docs/operations.md", "From self-managed to cert-manager", "", "TestOtherCertificates"},
	{"docs/operations.md", "From cert-manager to self-managed", "", "TestOtherCertificates"},
	{"docs/operations.md", "Remove", "", "TestInstalls"},
	{"docs/operations.md", "When the webhook is down", "", Here},
	{"docs/operations.md", "At 3 a.m.", "kubectl restartrules check", "TestFindings"},
	{"docs/operations.md", "At 3 a.m.", "", Here},
	{"docs/metrics.md", "", "", Here},

	{"docs/cli.md", "", "kubectl restartrules status", "TestGolden"},
	{"docs/cli.md", "", "kubectl restartrules check", "TestFindings"},
	{"docs/cli.md", "", "kubectl restartrules explain trainer-0", "TestOnePod"},
	{"docs/cli.md", "", "kubectl restartrules restart", "TestLiveGolden"},
	{"docs/cli.md", "", "kubectl restartrules pause", "TestLiveGolden"},
	{"docs/cli.md", "", "kubectl restartrules resume", "TestLiveGolden"},
	{"docs/cli.md", "", "kubectl restartrules history", "TestLiveGolden"},
	{"docs/cli.md", "", "kubectl restartrules logs", "TestLiveGolden"},
	{"docs/cli.md", "", "kubectl restartrules __complete", "TestLiveCompletion"},
	{"docs/cli.md", "", "make build", "make images"},
	{"docs/cli.md", "kubectl restartrules", "", Here},

	{"docs/configuration.md", "", "", Here},
	{"docs/entrypoints.md", "", "kubectl create rolebinding", Here},
	{"docs/architecture.md", "", "kubectl exec", Here},
	{"docs/architecture.md", "", "go test", "make test-unit"},
	{"docs/protocol.md", "", "kubectl exec", Here},

	{"docs/README.md", "", "go test", "make test-unit"},
	{"CONTRIBUTING.md", "", "go run ./e2e/cluster build", "make test"},
	{"CONTRIBUTING.md", "", "go test ./pkg/inject", "make test-unit"},
	{"SECURITY.md", "", "go run ./certs", "make deploy"},
	{"certs/README.md", "", "go run ./certs", "make deploy"},
	{"certs/README.md", "", "kubectl apply", "make deploy"},
	{"certs/README.md", "", "kubectl get secret", Here},
	{"manifests/README.md", "", "go run ./certs", "make deploy"},
	{"manifests/README.md", "", "kubectl apply", "TestInstalls"},
	{"manifests/README.md", "", "kubectl delete", "TestInstalls"},
	{"manifests/README.md", "", "kubectl", Here},
	{"e2e/cluster/README.md", "", "go run ./e2e/cluster", "TestCluster"},
	{"e2e/cluster/README.md", "", "export KUBECONFIG", "TestPages"},
	{"e2e/cluster/README.md", "", "kubectl get nodes", "TestPages"},
	{"e2e/cluster/README.md", "", "CGO_ENABLED=0 go build", "TestCluster"},
	{"e2e/cluster/README.md", "", "go test", "make test-e2e"},
}

// RunOf is what runs the command; nil: nothing does.
func RunOf(c *Command) *Run {
	for i := range Runs {
		r := &Runs[i]
		if r.Page == c.Page && (r.Section == "" || r.Section == c.Section) && strings.HasPrefix(c.Text, r.Command) {
			return r
		}
	}
	return nil
}

//go:build integration

package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// policy has the API server note what the webhook asks for, when it arrives.
const policy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [system:serviceaccount:restartrules-system:restartrules-webhook]
  verbs: [create, update, patch, delete]
- level: None
`

func auditLog() string { return filepath.Join(s.dir, "audit.log") }

// auditFlags are the API server's flags for that.
func auditFlags(dir string) (map[string]string, error) {
	file := filepath.Join(dir, "audit.yaml")
	return map[string]string{"audit-policy-file": file, "audit-log-path": auditLog(), "audit-log-mode": "batch"},
		os.WriteFile(file, []byte(policy), 0o600)
}

// request is one that the API server has answered.
type request struct {
	Verb      string
	ObjectRef struct{ Resource, Subresource, Namespace string }
	Received  time.Time          `json:"requestReceivedTimestamp"`
	Status    struct{ Code int } `json:"responseStatus"`
}

// what is asked for, as RBAC names it.
func (r *request) what() string {
	what := r.Verb + " " + r.ObjectRef.Resource
	if r.ObjectRef.Subresource != "" {
		what += "/" + r.ObjectRef.Subresource
	}
	return what
}

// review is a TokenReview, which stores nothing.
func (r *request) review() bool { return r.ObjectRef.Resource == "tokenreviews" }

// requests are those of the webhook since then, the oldest first.
func requests(t *testing.T, since time.Time) (all []request) {
	t.Helper()
	file, err := os.Open(auditLog())
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
		if !r.Received.Before(since) {
			all = append(all, r)
		}
	}
	require.NoError(t, lines.Err())
	slices.SortFunc(all, func(a, b request) int { return a.Received.Compare(b.Received) })
	return all
}

// mostInASecond is how many requests there are in the busiest second, wherever that begins.
func mostInASecond(all []request) (most int, when time.Time) {
	first := 0
	for i := range all {
		for all[i].Received.Sub(all[first].Received) >= time.Second {
			first++
		}
		if n := i - first + 1; n > most {
			most, when = n, all[first].Received
		}
	}
	return most, when
}

// byWhat counts requests.
func byWhat(all []request) map[string]int {
	counts := map[string]int{}
	for i := range all {
		counts[fmt.Sprintf("%s: %d", all[i].what(), all[i].Status.Code)]++
	}
	return counts
}

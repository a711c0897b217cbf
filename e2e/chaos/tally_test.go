//go:build e2e

package chaos

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
)

// tally counts the faults.
type tally struct {
	mutex sync.Mutex
	n     map[[2]string]int
	lost  int
	twice int
}

// add counts one fault of a kind at a place.
func (t *tally) add(kind, where string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.n == nil {
		t.n = map[[2]string]int{}
	}
	t.n[[2]string{kind, where}]++
}

// missed counts restarts that did not happen, doubled processes that ran beside one they should not.
func (t *tally) missed() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.lost++
}

func (t *tally) doubled(n int) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.twice += n
}

// of is how many faults of a kind there were at a place.
func (t *tally) of(kind, where string) int {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.n[[2]string{kind, where}]
}

func (t *tally) String() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var keys [][2]string
	all := 0
	for key, n := range t.n {
		keys = append(keys, key)
		all += n
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, key := range keys {
		fmt.Fprintf(w, "%s\t%s\t%d\n", key[0], key[1], t.n[key])
	}
	_ = w.Flush() // a strings.Builder has no errors
	fmt.Fprintf(&text, "faults injected %d, restarts lost %d, duplicates %d\n", all, t.lost, t.twice)
	return text.String()
}

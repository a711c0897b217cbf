package write

import "time"

// Limits of what metrics tell apart. They are by replica.
const (
	// maxWorkloads of all namespaces, and of one: who may create Pods may name workloads as it likes.
	maxWorkloads, maxOfNamespace = 1000, 100
	// rememberWorkload is how long one is told apart that restarts no more, if there is no room for others.
	rememberWorkload = time.Hour
)

// workloads are those that metrics tell apart. The rest of a namespace is counted together.
type workloads struct {
	now func() time.Time
	// drop is called for one that makes room for another.
	drop func(workload)

	last map[workload]time.Time
	// of is how many there are by namespace.
	of map[string]int
}

func newWorkloads(now func() time.Time, drop func(workload)) *workloads {
	return &workloads{now: now, drop: drop, last: map[workload]time.Time{}, of: map[string]int{}}
}

// label is the workload that a restart of one is counted for.
func (all *workloads) label(w workload) workload {
	if w.kind == noKind {
		return workload{w.namespace, noKind, ""}
	}
	_, known := all.last[w]
	if !known && all.of[w.namespace] >= maxOfNamespace && !all.forget(w.namespace) ||
		!known && len(all.last) >= maxWorkloads && !all.forget("") {
		return workload{w.namespace, overflowKind, ""}
	}
	if !known {
		all.of[w.namespace]++
	}
	all.last[w] = all.now()
	return w
}

// forget forgets those of the namespace, or of any if it is empty, that have not restarted for long. It returns whether
// there were any.
func (all *workloads) forget(namespace string) (any bool) {
	for w, last := range all.last {
		if namespace != "" && w.namespace != namespace || all.now().Sub(last) < rememberWorkload {
			continue
		}
		any = true
		delete(all.last, w)
		if all.of[w.namespace]--; all.of[w.namespace] == 0 {
			delete(all.of, w.namespace)
		}
		all.drop(w)
	}
	return any
}

package results

import "fmt"

// Section is a part of the page.
type Section struct {
	Title string
	// About says what the figures are of.
	About string
	Rows  []Row
	// Matrix, if it has rows, is shown after Rows.
	Matrix Matrix
	// Plot, if it has rows, is a picture of it, of this file's name.
	Plot     Plot
	PlotName string
}

// Matrix is a table of subjects and what was measured of them: the series PREFIX/SUBJECT/COLUMN.
type Matrix struct {
	Prefix   string
	Subjects []Subject
	Columns  []Column
}

// Subject is a row of a Matrix.
type Subject struct{ Name, What string }

// Column is a column of a Matrix.
type Column struct{ Name, What string }

// Shape is a Pod: so many init containers and so many containers.
type Shape struct{ Inits, Containers int }

// Shapes are those whose restarts are measured. The first two have goals.
var Shapes = []Shape{{1, 2}, {0, 4}, {0, 1}, {0, 3}, {0, 10}, {1, 1}, {1, 3}, {1, 10}, {3, 1}, {3, 3}, {3, 10}}

// Series is the name of the series of restarts of the whole Pod.
func (s Shape) Series(side string) string {
	return fmt.Sprintf("restartall/%d+%d/%s", s.Inits, s.Containers, side)
}

func (s Shape) String() string { return fmt.Sprintf("%d init + %d containers", s.Inits, s.Containers) }

// The two sides of a comparison.
const (
	Ours   = "ours"
	Native = "native"
)

const (
	kubelet   = "kubelet 1.36.3"
	cProgram  = "C supervisor"
	defaulter = "controller-runtime defaulter"
)

// Sections are all rows that there are. Goals are upper bounds of time and memory, lower ones of rates.
func Sections() []Section {
	return []Section{restartSection(), processSection(), footprintSection(), taskSection(), admissionSection(), creationSection(), startSection(), gangSection()}
}

func restartSection() Section {
	s := Section{
		Title: "Restart latency",
		About: "On a real kubelet, one Pod at a time: the last moment of the container that exits to the first instruction of the " +
			"last of all new processes, all programs the smallest that there can be. Ours and native are on the same node of Kubernetes " +
			"1.36.3 with its own gates: ours in a namespace that has opted in, where the webhook emulates all the same; back-off excluded. " +
			"Of the kubelet's, shapes that have no goal are measured four at a time: they wait nearly all the time. Before 1.36 native " +
			"restarts of the whole Pod can stall for more than a minute.",
		PlotName: "restarts",
	}
	restart := Row{What: "`Restart` in place", Unit: "ms", Series: "restart/ours", Anchor: "restart/native", AnchorName: kubelet}
	s.Rows = append(s.Rows, restart, Row{What: "the same", Unit: "ms", Series: "restart/ours", Anchor: "restart/c", AnchorName: cProgram + " in such a Pod"})
	for _, shape := range Shapes {
		r := Row{What: "`RestartAllContainers`, " + shape.String(), Unit: "ms", Series: shape.Series(Ours), Anchor: shape.Series(Native), AnchorName: kubelet}
		switch shape {
		case Shape{1, 2}:
			r.Goals = []Goal{{Of: Median, AtMost: 2, Profile: wholePodProfile}, {Of: P99, AtMost: 5, Profile: clusterTailProfile}, {Of: Factor, AtLeast: 500}}
		case Shape{0, 4}:
			r.Goals = []Goal{{Of: Median, AtMost: 1, Profile: wholePodProfile}, {Of: P99, AtMost: 3, Profile: clusterTailProfile}}
		}
		s.Rows = append(s.Rows, r)
	}
	first := Shapes[0]
	s.Rows = append(s.Rows,
		Row{What: "the same, " + first.String(), Unit: "ms", Series: first.Series(Ours), Anchor: "recreate/deployment", AnchorName: "Pod deleted, Deployment makes another"},
		Row{What: "the same, " + first.String(), Unit: "ms", Series: first.Series(Ours), Anchor: "recreate/sandbox", AnchorName: "`strategy: sandbox`"})
	s.Plot = Plot{Title: "From the exit to the last new process", Unit: "ms", Rows: []PlotRow{
		{"Restart in place: ours", "restart/ours", true},
		{"Restart: kubelet 1.36.3", "restart/native", false},
	}}
	for _, shape := range []Shape{{1, 2}, {0, 4}, {3, 10}} {
		s.Plot.Rows = append(s.Plot.Rows, PlotRow{"all, " + shape.String() + ": ours", shape.Series(Ours), true},
			PlotRow{"all, " + shape.String() + ": kubelet 1.36.3", shape.Series(Native), false})
	}
	s.Plot.Rows = append(s.Plot.Rows, PlotRow{"1 init + 2 containers: strategy sandbox", "recreate/sandbox", true},
		PlotRow{"1 init + 2 containers: delete, Deployment", "recreate/deployment", false})
	return s
}

func processSection() Section {
	return Section{
		Title: "Process handling",
		About: "Without a cluster. The C supervisor does nothing but vfork, exec, sigwaitinfo and wait: no rules, no table, no attempt " +
			"file, no watcher. Both are measured in turns, 50 restarts each. The floor is vfork, exec and wait of the same program from C.",
		PlotName: "processes",
		Rows: []Row{
			{What: "`Restart`: exit to the first instruction of the new process", Unit: "ms", Series: "process/restart/shim", Anchor: "process/restart/c", AnchorName: cProgram,
				Goals: []Goal{{Of: Median, AtMost: 0.30, Profile: aloneProfile}, {Of: P99, AtMost: 0.6, Profile: aloneProfile}, {Of: Factor, AtLeast: 0.5}}},
			{What: "a signal sent to it to the command's having it", Unit: "ms", Series: "process/signal/shim", Anchor: "process/signal/c", AnchorName: cProgram},
			{What: "added before a container's own first instruction", Unit: "ms", Series: "process/start/shim", Anchor: "process/start/tini", AnchorName: "tini",
				Goals: []Goal{{Of: Median, AtMost: 2}}},
			{What: "the same, against the C supervisor", Unit: "ms", Series: "process/start/shim", Anchor: "process/start/c", AnchorName: cProgram},
			{What: "the floor: start, exec and wait for the smallest program", Unit: "ms", Series: "process/floor/c"},
			{What: "the same from Go, `syscall.ForkExec`", Unit: "ms", Series: "process/floor/go", Anchor: "process/floor/c", AnchorName: "C"},
		},
		Plot: Plot{Title: "Processes, without a cluster", Unit: "ms", Rows: []PlotRow{
			{"restart: shim", "process/restart/shim", true},
			{"restart: C supervisor", "process/restart/c", false},
			{"signal passed on: shim", "process/signal/shim", true},
			{"signal passed on: C supervisor", "process/signal/c", false},
			{"signal sent to the command itself", "process/signal/direct", false},
			{"floor: vfork, exec, wait from C", "process/floor/c", false},
		}},
	}
}

func footprintSection() Section {
	mb := func(what, subject, figure, anchor string, most float64, profile string) Row {
		return Row{What: what, Unit: "MB", Series: "footprint/" + subject + "/" + figure, Goals: []Goal{{Of: Median, AtMost: most, Profile: profile}},
			Anchor: "footprint/" + anchor + "/" + figure, AnchorName: anchor}
	}
	idle := func(what, series string) Row {
		return Row{What: what, Unit: "", Series: "footprint/" + series, Goals: []Goal{{Of: Median, AtMost: 0}}}
	}
	return Section{
		Title: "Footprint",
		About: "What is in each Pod, supervising a program that waits. PSS shares what several processes have mapped among them; " +
			"private is what nobody can share. What a watcher is held against speaks to the API server with client-go. Wake-ups are context switches in 10 s. MB are 1,000 KB as the kernel counts them. " +
			"The watchers and the twins are those of 50 idle Pods on the cluster, with 1 init container and 2 containers, the watchers read four times; " +
			"what they share with those of other Pods, the image's file, counts in full, as in a node's only Pod. With reports, 25 such Pods " +
			"restart at once, eight times. Shims after 5,000 restarts are ten, read twenty times, 100 restarts between two.",
		Rows: []Row{
			mb("shim, PSS, alone", "shim", "pss", "tini-static", 2.1, shimMemoryProfile),
			mb("shim, PSS, each of four of one inode", "shim of 4", "pss", "tini-static", 1.1, shimMemoryProfile),
			mb("shim, private, fresh", "shim", "private", "tini-static", 0.7, shimMemoryProfile),
			mb("shim, private, after 5,000 restarts", "shim after 5,000", "private", "tini-static", 1.0, shimMemoryProfile),
			mb("shim, the file, stripped", "shim", "size", "tini-static", 1.6, ""),
			idle("shim, wake-ups in 10 s", "shim/wakeups"),
			mb("watcher, PSS, no probes", "watcher", "pss", "client-go", 3, watcherMemoryProfile),
			mb("watcher with reports over HTTPS, PSS, most while it reports", "watcher reporting", "pss", "client-go", 8, reportMemoryProfile),
			idle("watcher, wake-ups in 10 s, no probes", "watcher/wakeups"),
		},
		Matrix: Matrix{
			Prefix: "footprint",
			Subjects: []Subject{
				{"shim", "shim, alone"}, {"shim of 4", "shim, each of four"}, {"shim after 5,000", "shim after 5,000 restarts"}, {"twin", "twin's shim, parked, in a Pod"},
				{"watcher", "watcher, in a Pod, no probes"}, {"watcher probed", "the same with its readinessProbe"}, {"watcher with reports", "the same with probe and reports, at rest"}, {"watcher reporting", "the same with its reporter, while it reports"},
				{"client-go", "client-go, one request made"}, {"c", cProgram}, {"tini", "tini"}, {"tini-static", "tini-static"}, {"dumb-init", "dumb-init"}, {"s6", "s6-supervise"}, {"runit", "runsv"},
			},
			Columns: []Column{{"size", "file, MB"}, {"pss", "PSS, MB"}, {"private", "private, MB"}, {"threads", "threads"}, {"wakeups", "wake-ups in 10 s"}},
		},
	}
}

func taskSection() Section {
	return Section{
		Title: "Short tasks",
		About: "One Pod whose container is one short task after the other: it exits at once, and each exit is a `RestartAllContainers` " +
			"with an init container before the next. 1,000 tasks of ours, in blocks of 5; 20 of the kubelet's.",
		Rows: []Row{{What: "tasks", Unit: "tasks/s", Series: "tasks/ours", Anchor: "tasks/native", AnchorName: kubelet, More: true, Goals: []Goal{{Of: Median, AtLeast: 200}}}},
	}
}

// WaySeries is the name of the series of what a way to bring a program into a Pod adds to its start.
func WaySeries(way string) string { return "start/way/" + way }

func startSection() Section {
	row := func(what, series string, goals ...Goal) Row {
		return Row{What: what, Unit: "s", Series: "start/" + series, Goals: goals}
	}
	way := func(what, name string) Row { return Row{What: what, Unit: "s", Series: WaySeries(name)} }
	return Section{
		Title: "Being injected",
		About: "From the creation of a Pod to the first instruction of its last container; of the same Pods, one where nothing is " +
			"injected and eight where they are are made in turns, three at a time. What is added is the difference to the former. With init containers, the rule concerns the whole Pod, so " +
			"that there are twins. The ways by hand are without us, admission included: a sidecar is put into the Pod, and a program of the shim's " +
			"size comes into a volume in one way or another. We go the second: so its first two rows are the parts of what we add, and the rest is ours. Kubelets before " +
			"1.36 come back to a Pod with a sidecar only when they have next listed all containers, once a second: there it is 0.3 to 0.5 s more.",
		Rows: []Row{
			row("added, 2 containers", "added/0", Goal{Of: Median, AtMost: 0.3, Profile: startProfile}),
			row("added, 1 init container and 2 containers", "added/1", Goal{Of: Median, AtMost: 1.1, Profile: startProfile}),
			row("not injected, 2 containers", "plain/0"),
			row("not injected, 1 init container and 2 containers", "plain/1"),
			way("by hand, added by: a sidecar", "sidecar"),
			way("by hand, added by: a sidecar whose postStart hook copies", "hook"),
			way("by hand, added by: a sidecar whose startupProbe copies", "probe"),
			way("by hand, added by: an init container that copies, and a sidecar", "init"),
			way("by hand, added by: a sidecar, and an image as a volume", "image"),
		},
	}
}

func gangSection() Section {
	return Section{
		Title: "Gangs",
		About: "Pods of 3 containers on one node, restarted at once: a container of each is told to end at the same moment. The time is " +
			"that until the last process of the last Pod runs. The second row waits until the API server says of all Pods that they are Ready.",
		Rows: []Row{
			{What: "32 Pods, until all processes run", Unit: "s", Series: "gang/32/ours", Anchor: "gang/32/native", AnchorName: kubelet},
			{What: "4 Pods, until all are Ready in the API", Unit: "s", Series: "gang/ready/ours", Anchor: "gang/ready/native", AnchorName: kubelet, Goals: []Goal{{Of: Median, AtMost: 3}}},
			{What: "1 Pod", Unit: "s", Series: "gang/1/ours", Anchor: "gang/1/native", AnchorName: kubelet},
		},
		PlotName: "gangs",
		Plot: Plot{Title: "Until the last Pod of a gang is back", Unit: "s", Rows: []PlotRow{
			{"32 Pods on one node: ours", "gang/32/ours", true},
			{"32 Pods on one node: kubelet 1.36.3", "gang/32/native", false},
			{"1,000 nodes, model: ours", "gang/fleet/1000/in place, ours", true},
			{"1,000 nodes, model: kubelet 1.36.3", "gang/fleet/1000/kubelet 1.36.3", false},
			{"1,000 nodes, model: made again", "gang/fleet/1000/Pod deleted, made again", false},
			{"10,000 nodes, model: ours", "gang/fleet/10000/in place, ours", true},
			{"10,000 nodes, model: kubelet 1.36.3", "gang/fleet/10000/kubelet 1.36.3", false},
			{"10,000 nodes, model: made again", "gang/fleet/10000/Pod deleted, made again", false},
		}},
	}
}

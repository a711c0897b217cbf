package main

// diagrams are the pictures of docs/how-it-works.md, by their names.
var diagrams = map[string]*diagram{"pod": &podAnatomy, "restart": &restart, "admission": &admissionFlow}

var podAnatomy = diagram{
	title: "What is in an injected Pod", width: 860, height: 400,
	boxes: []box{
		{10, 10, 840, 380, "Pod: its UID, IP, node and volumes stay through every restart", frame},
		{30, 50, 230, 170, "sidecar restartrules-watcher", frame},
		{50, 85, 190, 40, "shim", ours},
		{50, 155, 190, 50, "watcher\nmachine, probes, journal", ours},
		{320, 50, 270, 170, "container trainer, wrapped", frame},
		{340, 85, 190, 40, "shim\nruns as your user", ours},
		{340, 155, 190, 50, "python train.py\nyour command", plain},
		{630, 50, 200, 170, "logger, not wrapped", frame},
		{650, 155, 160, 50, "log-shipper\nas without us", plain},
		{30, 270, 800, 100, "volume restartrules (emptyDir)", frame},
		{50, 305, 190, 50, "shim\nthe program, 1.6 MB", ours},
		{340, 305, 190, 50, "containers/trainer\nsocket, marks, shim", ours},
		{570, 305, 240, 50, "attempts/trainer\nwhich attempt this is", ours},
	},
	arrows: []arrow{
		{points: []int{140, 125, 140, 153}},
		{points: []int{435, 125, 435, 153}},
		{points: []int{140, 205, 140, 303}},
		{points: []int{240, 180, 290, 180, 290, 115, 338, 115}},
		{points: []int{340, 95, 275, 95, 275, 165, 242, 165}, dashed: true},
		{points: []int{530, 105, 610, 105, 610, 303}, dashed: true},
	},
	labels: []label{
		{148, 143, "starts it"},
		{443, 143, "starts it anew"},
		{148, 243, "installs the shim first"},
		{330, 243, "between them a socket: exits, orders"},
	},
}

var restart = diagram{
	title: "How a whole Pod restarts in place", width: 850, height: 350,
	boxes: []box{
		{20, 90, 130, 60, "Running", plain},
		{190, 90, 130, 60, "Stopping\nTERM, 2 s, KILL", ours},
		{360, 90, 130, 60, "BackingOff\nnothing runs", ours},
		{530, 90, 130, 60, "Replaying\ninit containers", ours},
		{700, 90, 130, 60, "Starting\ncontainers", ours},
		{20, 250, 130, 60, "Ending\nown exit codes", ending},
		{190, 250, 130, 60, "Sandbox\na new one", ending},
		{360, 250, 190, 60, "Failing\nwhat was stopped: 137", ending},
		{640, 250, 190, 60, "Terminating\nnothing restarts", ending},
	},
	arrows: []arrow{
		{points: []int{150, 120, 188, 120}},
		{points: []int{320, 120, 358, 120}},
		{points: []int{490, 120, 528, 120}},
		{points: []int{660, 120, 698, 120}},
		{points: []int{765, 90, 765, 50, 85, 50, 85, 88}},
		{points: []int{50, 150, 50, 248}},
		{points: []int{205, 150, 205, 205, 120, 205, 120, 248}},
		{points: []int{255, 150, 255, 248}},
		{points: []int{305, 150, 305, 205, 400, 205, 400, 248}},
		{points: []int{595, 150, 595, 205, 500, 205, 500, 248}},
		{points: []int{735, 215, 735, 248}, dashed: true},
	},
	labels: []label{
		{95, 42, "all have started; the first restart has no back-off"},
		{56, 178, "all have\nended"},
		{126, 228, "TerminatePod"},
		{190, 330, "strategy: sandbox"},
		{312, 176, "something\noutlives SIGKILL"},
		{602, 176, "fails for good"},
		{720, 190, "from anywhere:\nthe Pod is deleted"},
	},
}

var admissionFlow = diagram{
	title: "From kubectl apply to a Pod that runs", width: 840, height: 470,
	boxes: []box{
		{20, 20, 150, 60, "kubectl apply\na Pod or a workload", plain},
		{240, 20, 240, 60, "API server: matchConditions\nopted in, and uses rules?", plain},
		{600, 20, 220, 60, "goes on untouched\nwe never hear of it", plain},
		{20, 140, 800, 220, "webhook", frame},
		{40, 180, 170, 60, "validate\nas the API server does", ours},
		{250, 180, 170, 60, "compile\na decision per code", ours},
		{460, 180, 340, 60, "what the kubelet does right is left to it;\nfor the rest a shim, if the Pod may have it", ours},
		{40, 280, 170, 60, "refused\nwith field and reason", ending},
		{460, 280, 340, 60, "patch: shim before command, watcher,\nvolume, plan; of a template: lifted rules", ours},
		{20, 400, 190, 50, "kubectl says why", plain},
		{250, 400, 230, 50, "validating webhook\nagrees with its plan?", ours},
		{590, 400, 230, 50, "kubelet\nstarts the Pod", plain},
	},
	arrows: []arrow{
		{points: []int{170, 50, 238, 50}},
		{points: []int{480, 50, 598, 50}},
		{points: []int{360, 80, 360, 110, 125, 110, 125, 178}},
		{points: []int{210, 210, 248, 210}},
		{points: []int{420, 210, 458, 210}},
		{points: []int{125, 240, 125, 278}},
		{points: []int{630, 240, 630, 278}},
		{points: []int{125, 340, 125, 398}},
		{points: []int{540, 340, 540, 380, 365, 380, 365, 398}},
		{points: []int{480, 425, 588, 425}},
	},
	labels: []label{
		{515, 44, "no"},
		{368, 100, "yes"},
		{133, 262, "wrong"},
		{515, 418, "yes"},
	},
}

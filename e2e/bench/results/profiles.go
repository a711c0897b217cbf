package results

// What profiles and traces have shown of goals that can be missed. The page says it only of those that are.
const (
	wholePodProfile = "A trace of the scheduler over 88 restarts of 4 containers, 2.2 ms each with tracing, on 2 processors: the four shims ran for 2.0 ms of " +
		"processor time in all, with their children before these are the command, the watcher for 0.5, containerd and its shim, which copy the line " +
		"between two attempts into the log, for 0.6, the commands for 0.3; a quarter of the processors' time was idle, waiting for the next message. " +
		"Most of it is the kernel's work of waking threads, 49 times in the shims and 12 in the watcher, in a virtual machine 20 to 50 µs each where " +
		"the other processor sleeps. Of those in a shim four are for messages and children, the others for the Go runtime's monitor, and for what that wakes to look for work."
	clusterTailProfile = "API server, etcd, kubelet, containerd and the Pod share 2 processors, and any of them may take one for milliseconds. " +
		"The more threads a restart takes, the more of it waits for them: a C program in such a Pod, in a row of its own, which restarts one process, has a p99 of less than twice its median."
	aloneProfile = "Between exit and start the shim makes sure that nothing of the last attempt is left, looks for marks of a deletion and of a pause, and writes the attempt file; " +
		"the C supervisor does nothing of that, and its p99 is twice its median, too."
	shimMemoryProfile = "1.5 MB of it is the file, all of it in memory because the kernel maps what is around each page that is touched: the Go runtime is most of it " +
		"(433 of 656 KB of code, and 660 KB of tables that follow from it). 0.7 MB is private: 440 KB of the runtime's heap spans and thread stacks, 95 KB of data, 110 KB of the runtime's tables."
	watcherMemoryProfile = "The file's pages alone are 3.4 MB: the runtime's code 465 KB, net with DNS 165, encoding/json with reflect 140, fmt 60, log/slog 44, and tables in proportion. 1.2 to 1.5 MB is private, the more the busier the node was when it started."
	reportMemoryProfile  = "The reporter is 6.4 MB of it, 5.2 of these its file's pages, most of them TLS and HTTP; the rest is the watcher, of which 0.4 MB are for the reports."
	admissionProfile     = "Of the processor's time of a 6 KB request over TLS 30 % is deciding and making the patch, 18 % writing the answer to the connection (it is larger than net/http's buffer: two writes), " +
		"11 % reading from it, 9 % allocating, 6 % the log's line, 3 % collecting garbage; system calls are a quarter in all."
	startProfile = "The kubelet starts the first init container, which a sidecar is, and comes back to the Pod only when it has next listed all containers, once a second (pkg/kubelet/pleg): " +
		"that is half a second on average, whatever the sidecar does. The row of a sidecar by hand has the same."
)

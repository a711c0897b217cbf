package probe

// Request asks the prober to run an httpGet or a grpc probe. On its stdin each is one line of JSON.
type Request struct {
	// ID is told in the reply.
	ID    uint64 `json:"id"`
	Probe *Spec  `json:"probe"`
	// Host is the Pod's address, for probes that have no host of their own.
	Host string `json:"host"`
	// TimeoutMillis is how long the probe may take; 0: the probe's timeoutSeconds.
	TimeoutMillis int64 `json:"timeoutMillis,omitempty"`
}

// Reply is the prober's answer to the request of that ID; on its stdout one line of JSON. Replies come in
// any order.
type Reply struct {
	ID     uint64  `json:"id"`
	Result Outcome `json:"result"`
	// Message says why the result is not success. With success it is a warning of the kubelet's, or
	// empty.
	Message string `json:"message,omitempty"`
}

// MaxRequests is how many requests the prober works on at once. More wait.
const MaxRequests = 32

// MaxMessage is the most bytes that a Reply's Message has.
const MaxMessage = 1024

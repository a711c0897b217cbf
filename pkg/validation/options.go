package validation

// Options say what else than the least is allowed.
type Options struct {
	// RestartAllContainers allows the action of that name, and rules on sidecars, as an API server
	// does whose gate RestartAllContainersOnContainerExits is on.
	RestartAllContainers bool
}

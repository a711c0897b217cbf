package validation

// Options say what else than the least is allowed, and what is not.
type Options struct {
	// RestartAllContainers allows the action of that name, and rules on sidecars, as an API server
	// does whose gate RestartAllContainersOnContainerExits is on.
	RestartAllContainers bool
	// Allowed is what of that users may write. The zero value allows all.
	Allowed Allowed
}

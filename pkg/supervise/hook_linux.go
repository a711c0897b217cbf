package supervise

import (
	"restartrules.dev/pkg/supervise/spawn"
	"restartrules.dev/pkg/wire"
)

// Hook runs a container's preStop command after it has made known that the container is being
// stopped, so that an exit which the command brings about is not answered by a restart. It does not
// return if the command can be started; else it returns the exit code.
func Hook(dir string, argv, env []string) int {
	// The container's own directory: this needs no watcher.
	if err := wire.WriteMark(dir+"/attempt", wire.Mark{Kind: wire.Self, At: wire.Now()}); err != nil {
		writeStderr([]byte("restartrules: preStop: can't write the mark in " + dir + "/attempt: " + err.Error() + "\n"))
	}
	l := dialLink(dir+"/"+wire.SocketName, reconnectMax)
	l.ask(wire.Message{Verb: wire.Stopping})

	code, reason := codeOf(spawn.Exec(argv, env))
	writeStderr([]byte("restartrules: preStop: can't start " + argv[0] + ": " + reason + "\n"))
	return code
}

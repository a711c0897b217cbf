package supervise_test

import "testing"

const (
	member = "--pod=member"
	twin   = "--pod=twin"
	// byCode has an entry for each thing that can follow an exit.
	byCode = "--on-exit=0-41:end,42:restart/0,43-86:end,87:pod/2,88:all/1,89-255:end"
)

var (
	// untilTold ends with code 7 on SIGTERM.
	untilTold = sh(`trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done`)
	// dies of SIGTERM.
	mortal = sh(`echo ready; exec sleep 1000`)
	// stubborn ignores SIGTERM.
	stubborn = sh(`trap "" TERM; echo ready; while :; do sleep 0.01; done`)
	// deaf ignores SIGTERM, and exits with the code that it reads.
	deaf = sh(`trap "" TERM; echo ready; read code; exit $code`)
	// obedient exits with the code that it reads.
	obedient = sh(`echo ready; read code; exit $code`)
)

func TestConversations(t *testing.T) {
	const begun = `
		< state gen=0 is=new attempt=0 code=0 rule=-1 pid=0
		> run gen=0
		< state gen=0 is=running attempt=1
		| ready
		`
	for name, test := range map[string]struct {
		command []string
		steps   string
	}{
		"stopped and started again": {untilTold, begun + `
			> stop gen=1 grace=60000 pre=0
			< state gen=1 is=stopping pid=$pid
			< state gen=1 is=parked code=7 pid=0 action=all rule=-1
			< exited attempt=1 code=7 action=all rule=-1
			gone $pid
			> run gen=1
			< state gen=1 is=running attempt=2
			< started attempt=2 pid=$pid
			| ready
			> stop gen=2 grace=60000 pre=0
			< state gen=2 is=stopping
			< state gen=2 is=parked code=7
			> end code=-1
			exit 7`},
		"dies of SIGTERM": {mortal, begun + `
			> stop gen=1 grace=60000 pre=0
			< state is=stopping
			< state is=parked code=143
			> end code=-1
			exit 143`},
		"ignores SIGTERM": {stubborn, begun + `
			> stop gen=1 grace=30 pre=0
			< state is=stopping
			< state is=parked code=137
			> end code=3
			exit 3`},
		"no grace": {untilTold, begun + `
			> stop gen=1 grace=0 pre=0
			< state is=stopping
			< state is=parked code=137
			gone $pid`},
		"a second stop is the same restart, or a later one": {stubborn, begun + `
			> stop gen=1 grace=60000 pre=0
			< state gen=1 is=stopping
			> stop gen=1 grace=0 pre=0
			< state gen=1 is=stopping
			there $pid
			> stop gen=2 grace=20 pre=0
			< state gen=2 is=stopping
			< state gen=2 is=parked code=137
			> stop gen=2 grace=0 pre=0
			< state gen=2 is=parked code=137
			> stop gen=1 grace=0 pre=0
			< state gen=2 is=parked code=137`},
		"a stop of long ago": {untilTold, begun + `
			> stop gen=0 grace=0 pre=0
			< state gen=0 is=running pid=$pid`},
		"a run of long ago": {untilTold, begun + `
			> stop gen=5 grace=60000 pre=0
			< state is=stopping
			< state is=parked
			> run gen=4
			< state gen=5 is=parked
			> run gen=6
			< state gen=6 is=running attempt=2
			| ready`},
		"run is not done twice": {untilTold, begun + `
			> run gen=0
			< state gen=0 is=running attempt=1 pid=$pid
			> run gen=1
			< state gen=0 is=running attempt=1 pid=$pid
			> stop gen=1 grace=60000 pre=0
			< state is=stopping
			> run gen=1
			< state is=stopping
			< state is=parked`},
		"stopped before it ever ran": {untilTold, `
			< state is=new
			> stop gen=1 grace=60000 pre=0
			< state gen=1 is=parked code=0 attempt=0
			> run gen=1
			< state is=running attempt=1
			| ready`},
		"ended before it ever ran": {untilTold, `
			< state is=new
			> end code=-1
			exit 0`},
		"end is for containers where nothing runs": {untilTold, begun + `
			> end code=1
			< state is=running pid=$pid
			> stop gen=1 grace=60000 pre=0
			< state is=stopping
			< state is=parked
			> end code=0
			exit 0`},
		"a watcher that comes back": {untilTold, begun + `
			reconnect
			< state gen=0 is=running attempt=1 pid=$pid
			> stop gen=1 grace=60000 pre=0
			< state is=stopping
			< state is=parked
			reconnect
			< state gen=1 is=parked code=7 attempt=1
			> run gen=1
			< state is=running attempt=2
			| ready`},
		"the watcher misses the end of a stop": {untilTold, begun + `
			> stop gen=1 grace=60000 pre=0
			< state is=stopping
			reconnect
			until state is=parked
			> run gen=1
			< state gen=1 is=running attempt=2
			| ready`},
		"unknown messages are for newer shims": {untilTold, begun + `
			> fly gen=1
			> ok
			> run gen=x
			> run gen=0
			< state is=running`},
	} {
		t.Run(name, func(t *testing.T) {
			c := converse(t, []string{member, byCode, noBackoff}, test.command)
			defer c.end()
			c.do(test.steps)
		})
	}
}

func TestExitsOfAMember(t *testing.T) {
	const begun = `
		< state is=new
		> run gen=0
		< state is=running attempt=1
		| ready
		`
	for name, test := range map[string]struct {
		code, backoff, steps string
	}{
		"ends for good": {"5", noBackoff, `
			< state gen=0 is=ended attempt=1 code=5 action=end rule=-1 pid=0
			< exited attempt=1 code=5 action=end rule=-1
			> run gen=0
			< state is=ended
			> end code=-1
			exit 5`},
		"has ended and runs again": {"5", noBackoff, `
			< state is=ended code=5
			> stop gen=1 grace=60000 pre=0
			< state gen=1 is=parked code=5
			> run gen=1
			< state gen=1 is=running attempt=2
			| ready`},
		"asks for a restart of the Pod": {"88", noBackoff, `
			< state gen=0 is=asks attempt=1 code=88 rule=1 action=all
			< exited attempt=1 code=88 action=all rule=1
			> run gen=0
			< state is=asks
			> stop gen=1 grace=60000 pre=0
			< state gen=1 is=parked code=88 rule=1 action=all
			> run gen=1
			< state gen=1 is=running attempt=2
			| ready`},
		"asks and is to end": {"88", noBackoff, `
			< state is=asks
			> end code=-1
			exit 88`},
		"asks for the end of the Pod": {"87", noBackoff, `
			< state is=asks code=87 rule=2 action=pod
			< exited code=87 action=pod rule=2
			> end code=-1
			exit 87`},
		"is restarted in place": {"42", noBackoff, `
			< state gen=0 is=running attempt=2
			< exited attempt=1 code=42 action=restart rule=0 wait=0
			< started attempt=2 pid=$pid
			| ready`},
		"is restarted in place after a back-off": {"42", "--backoff=20ms/1h/1h", `
			< state is=running attempt=2
			| ready
			stdin 42
			< state gen=0 is=backoff attempt=2 code=42 rule=0 action=restart wait=20000 pid=0
			< exited attempt=2 code=42 action=restart rule=0 wait=20000
			< state is=running attempt=3 wait=0
			| ready`},
		"is stopped in its back-off": {"42", longBackoff, `
			< state is=running attempt=2
			| ready
			stdin 42
			< state is=backoff
			> run gen=0
			< state is=backoff
			> end code=0
			< state is=backoff
			> stop gen=1 grace=60000 pre=0
			< state gen=1 is=parked code=42
			> run gen=1
			< state is=running attempt=3
			| ready`},
	} {
		t.Run(name, func(t *testing.T) {
			c := converse(t, []string{member, byCode, test.backoff}, obedient, pipeStdin(t))
			defer c.end()
			c.do(begun)
			c.send(test.code + "\n")
			c.do(test.steps)
		})
	}
}

func TestACommandThatCannotBeStartedIsJudgedToo(t *testing.T) {
	for table, steps := range map[string]string{
		"--on-exit=0-255:all/0": `
			< state is=asks attempt=1 code=127 rule=0 action=all pid=0
			> stop gen=1 grace=60000 pre=0
			< state is=parked code=127
			> end code=-1
			exit 127`,
		endAlways: `
			< state is=ended attempt=1 code=127
			> end code=-1
			exit 127`,
	} {
		c := converse(t, []string{member, table}, []string{"/no/such/file"})
		c.do("< state is=new\n> run gen=0\n" + steps)
	}
}

func TestLeaveForgetsSIGKILL(t *testing.T) {
	begin := func() *conversation {
		c := converse(t, []string{member, byCode}, stubborn)
		c.do("< state is=new\n> run gen=0\n< state is=running\n| ready\n> stop gen=1 grace=100 pre=0\n< state is=stopping")
		return c
	}
	left := begin()
	defer left.end()
	left.do("> leave\n< state is=stopping")
	clock := begin()
	defer clock.end()
	clock.do("< state is=parked code=137")
	left.do("there $pid\nreconnect\n< state gen=1 is=stopping pid=$pid")
}

func TestATwinRunsOnlyWhenTold(t *testing.T) {
	c := converse(t, []string{twin, "--on-exit=0:end,1-255:restart/policy", noBackoff}, obedient, pipeStdin(t))
	c.do(`
		< state is=new
		> stop gen=1 grace=0 pre=0
		< state gen=1 is=parked attempt=0 code=0
		> run gen=1
		< state is=running attempt=1
		| ready`)
	c.send("3\n") // by the init container's own policy
	c.do("< state is=running attempt=2\n| ready")
	c.send("0\n")
	c.do(`
		< state is=ended code=0
		> stop gen=2 grace=0 pre=0
		< state gen=2 is=parked code=0
		> end code=-1
		exit 0`)
}

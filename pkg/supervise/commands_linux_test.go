package supervise_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// known is the flag that makes a shell script known under a name.
func known(name, script string) string {
	return "--exec=" + name + "=" + `"/bin/sh" "-c" ` + strconv.Quote(script)
}

const runs = `
	< state is=new
	> run gen=0
	< state is=running
	| ready
	`

func TestCommandsForTheWatcher(t *testing.T) {
	dir := t.TempDir()
	slow := `echo $$ > ` + dir + `/$$; exec sleep 1000`
	flags := []string{member, byCode, noBackoff,
		known("liveness", "exit 3"),
		known("startup", slow),
		known("postStart", `echo "$PWD $PPID"; echo lost >&2; [ "$A" = "b c" ] && read x; kill -9 $$`),
		`--exec=preStop="/no/such/file"`,
	}
	for name, steps := range map[string]string{
		"exits": runs + `
			> exec id=7 name=liveness timeout=0
			< execed id=7 code=3 timeout=0
			> exec id=8 name=liveness timeout=10000
			< execed id=8 code=3 timeout=0`,
		"its log is not the container's": runs + `
			> exec id=1 name=postStart timeout=0
			< execed id=1 code=137 timeout=0
			> stop gen=1 grace=0 pre=0
			until state is=parked
			> end code=0
			exit 0`,
		"cannot be started": runs + "> exec id=1 name=preStop timeout=0\n< execed id=1 code=-1 timeout=0",
		"is not known":      runs + "> exec id=1 name=readiness timeout=0\n< execed id=1 code=-1 timeout=0",
		"takes too long":    runs + "> exec id=1 name=startup timeout=30\n< execed id=1 code=137 timeout=1",
		"nothing runs": `
			< state is=new
			> exec id=1 name=liveness timeout=0
			< execed id=1 code=-1 timeout=0
			> run gen=0
			< state is=running`,
		"not too many at once": runs + `
			> exec id=1 name=startup timeout=0
			> exec id=2 name=startup timeout=0
			> exec id=3 name=startup timeout=0
			> exec id=4 name=startup timeout=0
			> exec id=5 name=liveness timeout=0
			< execed id=5 code=-1`,
		"a stop kills them": runs + `
			> exec id=1 name=startup timeout=0
			> exec id=2 name=startup timeout=100000
			> stop gen=1 grace=60000 pre=0
			< state is=stopping
			< execed id=1 code=-1 timeout=0
			< execed id=2 code=-1 timeout=0
			< state is=parked code=143`,
		"so does the command's own end": runs + `
			> exec id=1 name=startup timeout=0
			> exec id=2 name=liveness timeout=0
			< execed id=2 code=3
			stdin 42
			< execed id=1 code=-1 timeout=0
			< state is=running attempt=2
			| ready`,
	} {
		t.Run(name, func(t *testing.T) {
			c := converse(t, flags, obedient, pipeStdin(t))
			defer c.end()
			c.do(steps)
		})
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		eventually(t, e.Name()+" outlives its shim", func() bool { return gone(e.Name()) })
	}
}

func TestPreStop(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	app := sh(`trap 'echo TERM >> ` + log + `; exit 7' TERM; echo ready; while :; do sleep 0.01; done`)
	for name, test := range map[string]struct {
		hook, steps, log string
	}{
		"runs before SIGTERM": {`sleep 0.05; echo hook >> ` + log, `
			> stop gen=1 grace=60000 pre=1
			< state is=stopping
			< state is=parked code=7`, "hook TERM"},
		"fails": {`echo hook >> ` + log + `; exit 1`, `
			> stop gen=1 grace=60000 pre=1
			< state is=stopping
			< state is=parked code=7`, "hook TERM"},
		"takes longer than the grace": {`echo hook >> ` + log + `; exec sleep 1000`, `
			> stop gen=1 grace=300 pre=1
			< state is=stopping
			< state is=parked code=137`, "hook"},
		"is not wanted": {`echo hook >> ` + log, `
			> stop gen=1 grace=60000 pre=0
			< state is=stopping
			< state is=parked code=7`, "TERM"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.RemoveAll(log))
			c := converse(t, []string{member, byCode, known("preStop", test.hook)}, app)
			defer c.end()
			c.do(runs + test.steps)
			b, err := os.ReadFile(log)
			require.NoError(t, err)
			require.Equal(t, test.log, strings.Join(strings.Fields(string(b)), " "))
		})
	}
	t.Run("there is none", func(t *testing.T) {
		c := converse(t, []string{member, byCode}, untilTold)
		defer c.end()
		c.do(runs + "> stop gen=1 grace=60000 pre=1\n< state is=stopping\n< state is=parked code=7")
	})
}

func TestAFailedProbeKills(t *testing.T) {
	for name, test := range map[string]struct {
		command []string
		steps   string
	}{
		"judged by the table": {untilTold, `
			> kill grace=60000 judge=1
			until state is=ended code=7 action=end`},
		"restarted whatever its code": {untilTold, `
			> kill grace=60000 judge=0
			until state is=running attempt=2
			< exited attempt=1 code=7 action=restart rule=-1 wait=0
			| ready`},
		"with SIGKILL after the grace": {stubborn, `
			> kill grace=30 judge=1
			until state is=ended code=137`},
		"with SIGKILL at once": {untilTold, `
			> kill grace=0 judge=0
			until state is=running attempt=2`},
		"only the attempt that is meant": {untilTold, `
			> kill grace=0 judge=1 attempt=2
			< state is=running attempt=1 pid=$pid
			> kill grace=0 judge=0 attempt=1
			until state is=running attempt=2
			| ready`},
		"once": {stubborn, `
			> kill grace=60000 judge=1
			< state is=running pid=$pid
			> kill grace=0 judge=0
			< state is=running pid=$pid
			there $pid`},
		"a stop comes first": {stubborn, `
			> kill grace=60000 judge=0
			< state is=running
			> stop gen=1 grace=30 pre=0
			< state is=stopping
			< state is=parked code=137
			> kill grace=0 judge=0
			< state is=parked`},
		"the next attempt is judged again": {untilTold, `
			> kill grace=0 judge=0
			until state is=running attempt=2
			| ready
			> kill grace=0 judge=1
			until state is=ended code=137`},
	} {
		t.Run(name, func(t *testing.T) {
			c := converse(t, []string{member, byCode, noBackoff}, test.command)
			defer c.end()
			c.do(runs + test.steps)
		})
	}
}

func TestQuestions(t *testing.T) {
	for name, test := range map[string]struct {
		args                     []string
		question, answer, prints string
		code                     int
	}{
		"restart-all, accepted": {[]string{"restart-all", `--reason=new "world"`}, `demand reason="new \"world\""`, "ok", "accepted: all containers of the Pod are restarted in place\n", 0},
		"restart-all, refused":  {[]string{"restart-all"}, `demand reason=""`, `no reason="the Pod is being deleted"`, "refused: the Pod is being deleted\n", 1},
		"started":               {[]string{"started"}, "startup", "ok", "", 0},
		"not started":           {[]string{"started"}, "startup", `no reason=""`, "the container has not started yet\n", 1},
		"the watcher goes":      {[]string{"started"}, "startup", "", "the watcher can't be asked: connection reset by peer\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := watcherSocket(t, dir)
			done := make(chan string, 1)
			go func() {
				c, err := l.AcceptUnix()
				if err != nil {
					done <- err.Error()
					return
				}
				defer c.Close()
				b := make([]byte, 512)
				n, _ := c.Read(b)
				if test.answer != "" {
					_, _ = c.Write([]byte(test.answer))
				}
				done <- string(b[:n])
			}()
			prints, code := ask(t, append(test.args, "--dir="+dir)...)
			require.Equal(t, test.question, <-done)
			require.Equal(t, test.prints, prints)
			require.Equal(t, test.code, code)
		})
	}
	t.Run("no watcher", func(t *testing.T) {
		prints, code := ask(t, "restart-all", "--dir=/nowhere")
		require.Equal(t, "restartrules: the Pod is not restarted: the watcher can't be asked over /nowhere/sock: no such file or directory\n", prints)
		require.Equal(t, 1, code)
		_, code = ask(t, "started", "--dir=/nowhere")
		require.Equal(t, 1, code)
	})
}

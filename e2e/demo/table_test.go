package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIdentities(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, page{w: &b}.identities(trainerStory(t)))
	require.Equal(t, strings.Join([]string{
		"POD                  CONTAINER          POD UID  POD IP    CONTAINER ID  RESTARTCOUNT  PROCESS  STARTED",
		"retriable-exit-code  trainer    before  uid-1    10.0.0.7  a             0             50       15:04:01.000",
		"                                after   uid-1    10.0.0.7  a             0             59       15:04:15.000",
		"",
	}, "\n"), b.String())
}

func TestSummary(t *testing.T) {
	var b bytes.Buffer
	failed, err := page{w: &b}.summary(trainerStory(t))
	require.NoError(t, err)
	require.Equal(t, len(promises)-1, failed, "the story is of one example only")
	lines := strings.Split(b.String(), "\n")
	require.Regexp(t, `^retriable-exit-code.yaml +retriable-exit-code +2 +0.69 ms to 0.71 ms +Succeeded +yes$`, lines[1])
	require.Regexp(t, `^init-one-try.yaml +init-one-try +0 +- +Running +NO$`, lines[2])
	require.Contains(t, lines, "init-one-try: there is no such Pod")
	require.Contains(t, lines, "job/training-job: there is no such Job")
}

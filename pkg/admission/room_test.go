package admission

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRoom: what is too much at once waits, and is sent away if that takes too long; small requests go on beside large
// ones as long as there is room.
func TestRoom(t *testing.T) {
	hook, _ := newTestWebhook(t)
	request := func(size int64) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, MutatePath+"?timeout=1ms", strings.NewReader(""))
		r.ContentLength = size
		return r
	}
	var leave []func()
	for range maxRoom / maxBody {
		l, err := hook.enter(request(-1)) // of any size
		require.NoError(t, err)
		leave = append(leave, l)
	}
	_, err := hook.enter(request(maxBody))
	require.ErrorContains(t, err, "busy: for 1ms there was no room for this request of 7340032 bytes beside others")
	l, err := hook.enter(request(6000))
	require.NoError(t, err)
	l()
	leave[0]()
	l, err = hook.enter(request(1 << 40)) // is refused when it is read
	require.NoError(t, err)
	l()

	// The handler gives room back, however a request ends.
	for _, l := range leave[1:] {
		l()
	}
	require.True(t, hook.room.TryAcquire(maxRoom))
	recorder := httptest.NewRecorder()
	hook.Handlers()[MutatePath].ServeHTTP(recorder, request(6000))
	require.Equal(t, http.StatusServiceUnavailable, recorder.Code)
	hook.room.Release(maxRoom)
	recorder = httptest.NewRecorder()
	hook.Handlers()[MutatePath].ServeHTTP(recorder, request(0))
	require.Equal(t, http.StatusUnsupportedMediaType, recorder.Code)
	require.True(t, hook.room.TryAcquire(maxRoom))
}

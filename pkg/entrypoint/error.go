package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Error says why an image could not be looked up: its text begins with the registry, if it was that, and
// holds no secret.
type Error struct {
	cause string
	// unasked says that nobody has been asked yet: there is nothing to remember.
	unasked bool
}

func (e *Error) Error() string { return e.cause }

// maxCause is the longest text that is taken from elsewhere.
const maxCause = 200

// explain makes an Error of what a registry did.
func explain(err error, host string, credentials int, took time.Duration) *Error {
	var known *Error
	var answer *transport.Error
	var much excess
	var dns *net.DNSError
	var failed *url.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &much):
		return &Error{cause: "registry " + host + " " + much.Error()}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), isTimeout(err):
		return &Error{cause: fmt.Sprintf("registry %s did not answer within %s", host, took.Round(100*time.Millisecond))}
	case errors.As(err, &answer):
		cause := fmt.Sprintf("registry %s answered %d %s", host, answer.StatusCode, http.StatusText(answer.StatusCode))
		if refused(err) {
			cause += fmt.Sprintf(" (%s)", credentialsTried(credentials))
		}
		return &Error{cause: cause}
	case errors.As(err, &dns):
		return &Error{cause: fmt.Sprintf("registry %s can't be found: no such host", host)}
	case errors.As(err, &failed):
		return &Error{cause: fmt.Sprintf("registry %s can't be asked: %s", host, short(failed.Err))}
	default:
		return &Error{cause: fmt.Sprintf("registry %s: %s", host, short(err))}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func credentialsTried(n int) string {
	switch n {
	case 0:
		return "no imagePullSecrets match it"
	case 1:
		return "asked with the one credential that matches it"
	default:
		return fmt.Sprintf("asked with each of the %d credentials that match it", n)
	}
}

func short(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > maxCause {
		return strings.ToValidUTF8(text[:maxCause], "") + "…"
	}
	return text
}

package ready

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

// readHead reads until the empty line that ends a request's head, and returns what it has read of it. If
// there is none within the buffer, or before the end, that is an error.
func readHead(from io.Reader, buffer []byte) (head []byte, err error) {
	n := 0
	for n < len(buffer) {
		some, err := from.Read(buffer[n:])
		n += some
		if end := headEnd(buffer[:n]); end >= 0 {
			return buffer[:end], nil
		}
		if err != nil {
			return buffer[:n], err
		}
	}
	return buffer[:n], io.ErrShortBuffer
}

// headEnd is where the empty line is, or -1. Lines may end with a bare line feed (RFC 9112, 2.2).
func headEnd(text []byte) int {
	if end := bytes.Index(text, []byte("\n\r\n")); end >= 0 {
		return end
	}
	return bytes.Index(text, []byte("\n\n"))
}

var badRequest = response("400 Bad Request", "", "bad request", true)

// answer is the answer to a request with that head, which may be anything.
func answer(head []byte, reason string) string {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	method, target, ok := requestLine(strings.TrimSuffix(string(line), "\r"))
	path, _, _ := strings.Cut(target, "?")
	switch {
	case !ok:
		return badRequest
	case path != Path:
		return response("404 Not Found", "", "not found", method != "HEAD")
	case method != "GET" && method != "HEAD":
		return response("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "method not allowed", true)
	case reason != "":
		return response("503 Service Unavailable", "", reason, method != "HEAD")
	default:
		return response("200 OK", "", "ok", method != "HEAD")
	}
}

// requestLine takes a request line apart. ok is false if it isn't one of HTTP/1.
func requestLine(line string) (method, target string, ok bool) {
	method, rest, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(rest, " ")
	return method, target, method != "" && strings.HasPrefix(target, "/") && (version == "HTTP/1.1" || version == "HTTP/1.0")
}

func response(status, header, body string, withBody bool) string {
	text := "HTTP/1.1 " + status + "\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n" +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n" + header +
		"Connection: close\r\n\r\n"
	if withBody {
		text += body
	}
	return text
}

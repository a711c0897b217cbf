package ready

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Ask asks the Responder at the TCP address. The error says why it, or the Pod, is not ready.
func Ask(address string) error {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	if _, err := io.WriteString(c, "GET "+Path+" HTTP/1.0\r\n\r\n"); err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	answer, err := io.ReadAll(io.LimitReader(c, maxRequest))
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	status, rest, _ := strings.Cut(string(answer), "\r\n")
	if strings.HasPrefix(status, "HTTP/1.1 200 ") {
		return nil
	}
	_, reason, _ := strings.Cut(rest, "\r\n\r\n")
	return errors.New("not ready: " + strings.TrimSpace(reason))
}

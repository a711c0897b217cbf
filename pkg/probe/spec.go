package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Spec is a Probe of Kubernetes (core/v1), ports being numbers. It has exactly one handler.
type Spec struct {
	Exec      *ExecAction      `json:"exec,omitempty"`
	HTTPGet   *HTTPGetAction   `json:"httpGet,omitempty"`
	TCPSocket *TCPSocketAction `json:"tcpSocket,omitempty"`
	GRPC      *GRPCAction      `json:"grpc,omitempty"`

	InitialDelaySeconds int32 `json:"initialDelaySeconds,omitempty"`
	// TimeoutSeconds is at least 1, and 1 by default.
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
	// PeriodSeconds is at least 1, and 10 by default.
	PeriodSeconds int32 `json:"periodSeconds,omitempty"`
	// SuccessThreshold is at least 1, and 1 by default.
	SuccessThreshold int32 `json:"successThreshold,omitempty"`
	// FailureThreshold is at least 1, and 3 by default.
	FailureThreshold int32 `json:"failureThreshold,omitempty"`
	// TerminationGracePeriodSeconds is what the command has to end after the probe has failed; nil: the
	// Pod's.
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// ExecAction succeeds if the command exits with 0.
type ExecAction struct {
	Command []string `json:"command,omitempty"`
}

// HTTPGetAction succeeds if the status code of the answer is 200 to 399.
type HTTPGetAction struct {
	Path string `json:"path,omitempty"`
	Port Port   `json:"port"`
	// Host is the Pod's address if empty.
	Host string `json:"host,omitempty"`
	// Scheme is HTTP (also if empty) or HTTPS; certificates are not verified.
	Scheme      string       `json:"scheme,omitempty"`
	HTTPHeaders []HTTPHeader `json:"httpHeaders,omitempty"`
}

// HTTPHeader is a header of the request. Host is taken as the request's host.
type HTTPHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// TCPSocketAction succeeds if a connection can be opened.
type TCPSocketAction struct {
	Port Port `json:"port"`
	// Host is the Pod's address if empty.
	Host string `json:"host,omitempty"`
}

// GRPCAction succeeds if the service says SERVING by the protocol grpc.health.v1.Health.
type GRPCAction struct {
	Port    Port   `json:"port"`
	Service string `json:"service,omitempty"`
}

// Port is a port's number, 1 to 65535. As JSON it may also be a string of digits.
type Port int32

// UnmarshalJSON takes what Kubernetes takes where the port has no name
// (upstream: pkg/probe/util.go, ResolveContainerPort).
func (p *Port) UnmarshalJSON(text []byte) error {
	var word string
	if len(text) > 0 && text[0] == '"' {
		if err := json.Unmarshal(text, &word); err != nil {
			return err
		}
	} else {
		word = string(text)
	}
	n, err := strconv.Atoi(word)
	if err != nil {
		return fmt.Errorf("port %q: expected a number: names are resolved before", word)
	}
	if n < 1 || n > math.MaxUint16 {
		return fmt.Errorf("port %d: expected 1 to 65535", n)
	}
	*p = Port(n)
	return nil
}

// Parse reads a Probe in JSON and fills in the defaults (upstream: pkg/apis/core/v1/defaults.go,
// SetDefaults_Probe and SetDefaults_HTTPGetAction). Fields that it does not know are ignored. The error
// says which field is wrong.
func Parse(text []byte) (*Spec, error) {
	s := new(Spec)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	for _, f := range []struct {
		name           string
		field          *int32
		byDefault, min int32
	}{
		{"initialDelaySeconds", &s.InitialDelaySeconds, 0, 0},
		{"timeoutSeconds", &s.TimeoutSeconds, 1, 1},
		{"periodSeconds", &s.PeriodSeconds, 10, 1},
		{"successThreshold", &s.SuccessThreshold, 1, 1},
		{"failureThreshold", &s.FailureThreshold, 3, 1},
	} {
		if *f.field == 0 {
			*f.field = f.byDefault
		}
		if *f.field < f.min {
			return nil, fmt.Errorf("probe: %s: is %d, must be at least %d", f.name, *f.field, f.min)
		}
	}
	if err := s.checkHandler(); err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	return s, nil
}

func (s *Spec) checkHandler() error {
	handlers, port := 0, Port(1)
	if s.Exec != nil {
		handlers++
		if len(s.Exec.Command) == 0 {
			return errors.New("exec: has no command")
		}
	}
	if get := s.HTTPGet; get != nil {
		handlers, port = handlers+1, get.Port
		if get.Path == "" {
			get.Path = "/"
		}
		switch get.Scheme {
		case "":
			get.Scheme = "HTTP"
		case "HTTP", "HTTPS":
		default:
			return fmt.Errorf("httpGet: scheme %q: expected HTTP or HTTPS", get.Scheme)
		}
	}
	if s.TCPSocket != nil {
		handlers, port = handlers+1, s.TCPSocket.Port
	}
	if s.GRPC != nil {
		handlers, port = handlers+1, s.GRPC.Port
	}
	if handlers != 1 {
		return fmt.Errorf("has %d handlers: expected one of exec, httpGet, tcpSocket and grpc", handlers)
	}
	if port == 0 {
		return errors.New("has no port")
	}
	return nil
}

// Timeout is how long one run of the probe may take.
func (s *Spec) Timeout() time.Duration { return time.Duration(s.TimeoutSeconds) * time.Second }

// NeedsProber reports whether the probe is performed by the prober: httpGet and grpc.
func (s *Spec) NeedsProber() bool { return s.HTTPGet != nil || s.GRPC != nil }

// Package wire is what passes between a shim and the watcher: messages over a socket, and marks in
// the container's directory. It is linked into the binary that runs in every container, so it
// imports next to nothing.
package wire

import (
	"errors"
	"strconv"
	"strings"
)

// Version is the version of the messages, which the shim names in its Hello. A shim outlives
// upgrades of the watcher's image by as long as its Pod lives.
const Version = 1

// MaxMessage is the size in bytes that no message exceeds.
const MaxMessage = 512

// SocketName is the watcher's socket in a container's directory.
const SocketName = "sock"

// Verb is what a message says.
type Verb string

// Verbs that a shim sends, and OK, which the watcher answers to Stopping once the marks are written.
const (
	Hello    Verb = "hello"    // Version
	Started  Verb = "started"  // Attempt, PID, Micros
	Exited   Verb = "exited"   // Attempt, Code, Restart, Rule, Wait
	Stopping Verb = "stopping" // the container was told to stop from outside
	OK       Verb = "ok"
)

// Message is one message; which fields count is said beside its Verb.
type Message struct {
	Verb    Verb
	Version int
	// Attempt counts the starts of the container's command, from 1.
	Attempt int
	PID     int
	// Micros is the time from the end of the previous attempt to the start of this one, without
	// back-off and holding, in microseconds; 0 for the first.
	Micros int
	// Code is the exit code, 0..255.
	Code int
	// Restart says that the command will be started again in place.
	Restart bool
	// Rule is the index in restartPolicyRules of the rule that matched, or -1.
	Rule int
	// Wait is the back-off before the next attempt, in microseconds.
	Wait int
}

// Append appends the message's text: its verb and key=value pairs, separated by spaces.
func (m Message) Append(b []byte) []byte {
	b = append(b, m.Verb...)
	number := func(key string, value int) {
		b = append(b, ' ')
		b = append(b, key...)
		b = append(b, '=')
		b = strconv.AppendInt(b, int64(value), 10)
	}
	switch m.Verb {
	case Hello:
		number("version", m.Version)
	case Started:
		number("attempt", m.Attempt)
		number("pid", m.PID)
		number("micros", m.Micros)
	case Exited:
		number("attempt", m.Attempt)
		number("code", m.Code)
		if m.Restart {
			b = append(b, " action=restart"...)
		} else {
			b = append(b, " action=end"...)
		}
		number("rule", m.Rule)
		number("wait", m.Wait)
	}
	return b
}

// Parse reads one message. Keys it doesn't know are passed over, so that a newer shim can say more.
func Parse(b []byte) (Message, error) {
	if len(b) > MaxMessage {
		return Message{}, errors.New("message of " + strconv.Itoa(len(b)) + " bytes, must have at most " + strconv.Itoa(MaxMessage))
	}
	verb, rest, _ := strings.Cut(string(b), " ")
	m := Message{Verb: Verb(verb)}
	switch m.Verb {
	case Hello, Started, Exited, Stopping, OK:
	default:
		return Message{}, errors.New("unknown message " + strconv.Quote(verb))
	}
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, " ")
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return Message{}, errors.New("message " + verb + ": " + strconv.Quote(pair) + ": expected key=value")
		}
		if err := m.set(key, value); err != nil {
			return Message{}, errors.New("message " + verb + ": " + key + ": " + err.Error())
		}
	}
	return m, nil
}

func (m *Message) set(key, value string) error {
	if key == "action" {
		if value != "restart" && value != "end" {
			return errors.New("unknown action " + strconv.Quote(value))
		}
		m.Restart = value == "restart"
		return nil
	}
	var field *int
	switch key {
	case "version":
		field = &m.Version
	case "attempt":
		field = &m.Attempt
	case "pid":
		field = &m.PID
	case "code":
		field = &m.Code
	case "rule":
		field = &m.Rule
	case "micros":
		field = &m.Micros
	case "wait":
		field = &m.Wait
	default:
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return errors.New("expected a number, got " + strconv.Quote(value))
	}
	*field = n
	return nil
}

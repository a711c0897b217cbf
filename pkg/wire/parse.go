package wire

import (
	"bytes"
	"errors"
	"strconv"
)

// Parse reads one message. Keys it doesn't know are passed over, so that a newer sender can say more.
// A message without names and reasons is read without garbage.
func Parse(b []byte) (Message, error) {
	if len(b) > MaxMessage {
		return Message{}, errors.New("message of " + strconv.Itoa(len(b)) + " bytes, must have at most " + strconv.Itoa(MaxMessage))
	}
	text, rest, _ := bytes.Cut(b, []byte(" "))
	var m Message
	if m.Verb = known(verbs[:], text); m.Verb == "" {
		return Message{}, errors.New("unknown message " + strconv.Quote(string(text)))
	}
	for len(rest) > 0 {
		key, value, ok := bytes.Cut(rest, []byte("="))
		if !ok || bytes.IndexByte(key, ' ') >= 0 {
			pair, _, _ := bytes.Cut(rest, []byte(" "))
			return Message{}, errors.New("message " + string(m.Verb) + ": " + strconv.Quote(string(pair)) + ": expected key=value")
		}
		var err error
		if len(value) > 0 && value[0] == '"' {
			rest, err = m.setQuoted(key, value)
		} else {
			value, rest, _ = bytes.Cut(value, []byte(" "))
			err = m.set(key, value)
		}
		if err != nil {
			return Message{}, errors.New("message " + string(m.Verb) + ": " + string(key) + ": " + err.Error())
		}
	}
	return m, nil
}

// known is the element of the list that has this text, or nothing.
func known[T ~string](list []T, text []byte) T {
	for _, element := range list {
		if string(text) == string(element) {
			return element
		}
	}
	return ""
}

// setQuoted sets what comes with a quoted text, and gives what is behind it.
func (m *Message) setQuoted(key, value []byte) (rest []byte, err error) {
	quoted, err := strconv.QuotedPrefix(string(value))
	if err != nil {
		return nil, errors.New("expected a quoted text, got " + string(value))
	}
	if rest = value[len(quoted):]; len(rest) > 0 {
		if rest[0] != ' ' {
			return nil, errors.New("expected a space behind " + quoted)
		}
		rest = rest[1:]
	}
	if string(key) == "reason" {
		m.Reason, err = strconv.Unquote(quoted)
	}
	return rest, err
}

func (m *Message) set(key, value []byte) error {
	var field *int
	switch string(key) {
	case "is":
		if m.Is = known(conditions[:], value); m.Is == "" {
			return errors.New("unknown state " + strconv.Quote(string(value)))
		}
		return nil
	case "action":
		if m.Action = known(actions[:], value); m.Action == ActionNone {
			return errors.New("unknown action " + strconv.Quote(string(value)))
		}
		return nil
	case "name":
		m.Name = string(value)
		return nil
	case "pre":
		return setFlag(&m.PreStop, value)
	case "judge":
		return setFlag(&m.Judge, value)
	case "timeout":
		if m.Verb == Execed {
			return setFlag(&m.TimedOut, value)
		}
		field = &m.Timeout
	case "version":
		field = &m.Version
	case "gen":
		field = &m.Gen
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
	case "grace":
		field = &m.Grace
	case "id":
		field = &m.ID
	default:
		return nil
	}
	n, err := strconv.Atoi(string(value))
	if err != nil {
		return errors.New("expected a number, got " + strconv.Quote(string(value)))
	}
	*field = n
	return nil
}

func setFlag(field *bool, value []byte) error {
	if string(value) != "0" && string(value) != "1" {
		return errors.New("expected 0 or 1, got " + strconv.Quote(string(value)))
	}
	*field = string(value) == "1"
	return nil
}

package wire

import "strconv"

// Append appends the message's text: its verb and key=value pairs, separated by spaces.
func (m Message) Append(b []byte) []byte {
	b = append(b, m.Verb...)
	switch m.Verb {
	case Hello:
		b = number(b, "version", m.Version)
	case Started:
		b = number(b, "attempt", m.Attempt)
		b = number(b, "pid", m.PID)
		b = number(b, "micros", m.Micros)
	case Exited:
		b = number(b, "attempt", m.Attempt)
		b = number(b, "code", m.Code)
		b = word(b, "action", string(m.Action))
		b = number(b, "rule", m.Rule)
		b = number(b, "wait", m.Wait)
	case State:
		b = number(b, "gen", m.Gen)
		b = word(b, "is", string(m.Is))
		b = number(b, "attempt", m.Attempt)
		b = number(b, "code", m.Code)
		b = number(b, "rule", m.Rule)
		b = word(b, "action", string(m.Action))
		b = number(b, "pid", m.PID)
		b = number(b, "micros", m.Micros)
		b = number(b, "wait", m.Wait)
		b = word(b, "name", m.Name)
	case Run:
		b = number(b, "gen", m.Gen)
	case Stop:
		b = number(b, "gen", m.Gen)
		b = number(b, "grace", m.Grace)
		b = flag(b, "pre", m.PreStop)
	case End:
		b = number(b, "code", m.Code)
	case Kill:
		b = number(b, "grace", m.Grace)
		b = flag(b, "judge", m.Judge)
		if m.Attempt != 0 {
			b = number(b, "attempt", m.Attempt)
		}
	case Exec:
		b = number(b, "id", m.ID)
		b = word(b, "name", m.Name)
		b = number(b, "timeout", m.Timeout)
	case Execed:
		b = number(b, "id", m.ID)
		b = number(b, "code", m.Code)
		b = flag(b, "timeout", m.TimedOut)
	case Restart:
		b = number(b, "grace", m.Grace)
		b = reason(b, m.Reason)
	case Demand, No:
		b = reason(b, m.Reason)
	}
	return b
}

func key(b []byte, key string) []byte {
	b = append(b, ' ')
	b = append(b, key...)
	return append(b, '=')
}

func number(b []byte, name string, value int) []byte {
	return strconv.AppendInt(key(b, name), int64(value), 10)
}

func flag(b []byte, name string, value bool) []byte {
	if value {
		return append(key(b, name), '1')
	}
	return append(key(b, name), '0')
}

// maxWord is more than the names of processes (15) and of commands have.
const maxWord = 32

// word appends a text that may hold anything, with "?" for what has a meaning here; nothing if it is
// empty.
func word(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = key(b, name)
	for i := 0; i < len(value) && i < maxWord; i++ {
		c := value[i]
		if c <= ' ' || c > '~' || c == '"' || c == '=' {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

// maxReason is how long a quoted reason may be, so that every message fits.
const maxReason = MaxMessage - 100

func reason(b []byte, text string) []byte {
	b = key(b, "reason")
	for n := min(len(text), maxReason); ; n-- {
		quoted := strconv.AppendQuote(b, text[:n])
		if len(quoted)-len(b) <= maxReason {
			return quoted
		}
	}
}

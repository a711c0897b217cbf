package compile

import (
	"strconv"
	"strings"

	"restartrules.dev/pkg/exittable"
)

// codes is a set of exit codes.
type codes [exittable.Codes]bool

func (s codes) empty() bool { return s == codes{} }

// first is the smallest of the codes, or -1.
func (s codes) first() int {
	for code := range s {
		if s[code] {
			return code
		}
	}
	return -1
}

// String lists the set as ranges, the first four at most.
func (s codes) String() string {
	var parts []string
	for lo := 0; lo < len(s); lo++ {
		if !s[lo] {
			continue
		}
		if len(parts) == 4 {
			parts = append(parts, "...")
			break
		}
		hi := lo
		for hi+1 < len(s) && s[hi+1] {
			hi++
		}
		text := strconv.Itoa(lo)
		if hi > lo {
			text += "-" + strconv.Itoa(hi)
		}
		parts = append(parts, text)
		lo = hi
	}
	return strings.Join(parts, ",")
}

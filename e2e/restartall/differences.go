package restartall

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Difference is a difference between the native outcome of a scenario and ours that is allowed.
type Difference struct {
	// Name says what is different, and Reason why that is right.
	Name     string `json:"name"`
	Reason   string `json:"reason"`
	Scenario string `json:"scenario"`
	// Native are the lines that only the native outcome has, Ours those that only ours has.
	Native []string `json:"native,omitempty"`
	Ours   []string `json:"ours,omitempty"`
}

// LoadDifferences reads the file of allowed differences.
func LoadDifferences(file string) ([]Difference, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var differences []Difference
	if err := yaml.UnmarshalStrict(text, &differences); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for i, d := range differences {
		if d.Name == "" || d.Reason == "" || len(d.Native)+len(d.Ours) == 0 {
			return nil, fmt.Errorf("%s: [%d] %q: a difference needs a name, a reason, and lines", file, i, d.Name)
		}
	}
	return differences, nil
}

// Apart says whether the differences between the outcomes of a scenario are those that are allowed. The error names each line
// that differs without being allowed, and each that is allowed for nothing.
func Apart(scenario string, native, ours Outcome, allowed []Difference) error {
	onlyNative, onlyOurs := diff(native.Lines(), ours.Lines())
	for _, d := range allowed {
		if d.Scenario != scenario {
			continue
		}
		var missing []string
		onlyNative, missing = without(onlyNative, d.Native)
		if len(missing) > 0 {
			return fmt.Errorf("difference %q is allowed for nothing: not only native: %s", d.Name, strings.Join(missing, "; "))
		}
		if onlyOurs, missing = without(onlyOurs, d.Ours); len(missing) > 0 {
			return fmt.Errorf("difference %q is allowed for nothing: not only ours: %s", d.Name, strings.Join(missing, "; "))
		}
	}
	var errs []error
	for _, line := range onlyNative {
		errs = append(errs, fmt.Errorf("only native: %s", line))
	}
	for _, line := range onlyOurs {
		errs = append(errs, fmt.Errorf("only ours: %s", line))
	}
	return errors.Join(errs...)
}

// without takes lines out of others, and says which were not there.
func without(lines, taken []string) (left, missing []string) {
	left = slices.Clone(lines)
	for _, line := range taken {
		if i := slices.Index(left, line); i >= 0 {
			left = slices.Delete(left, i, i+1)
		} else {
			missing = append(missing, line)
		}
	}
	return left, missing
}

// diff are the lines that have to be taken out of a and of b for the rest to be equal: as few as there can be.
func diff(a, b []string) (onlyA, onlyB []string) {
	common := make([][]int, len(a)+1) // common[i][k]: lines that a[i:] and b[k:] have in common, in order
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for k := len(b) - 1; k >= 0; k-- {
			if common[i][k] = max(common[i+1][k], common[i][k+1]); a[i] == b[k] {
				common[i][k] = common[i+1][k+1] + 1
			}
		}
	}
	i, k := 0, 0
	for i < len(a) && k < len(b) {
		switch {
		case a[i] == b[k]:
			i, k = i+1, k+1
		case common[i+1][k] >= common[i][k+1]:
			onlyA, i = append(onlyA, a[i]), i+1
		default:
			onlyB, k = append(onlyB, b[k]), k+1
		}
	}
	return append(onlyA, a[i:]...), append(onlyB, b[k:]...)
}

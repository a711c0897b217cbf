//go:build e2e

package bench

import "testing"

// TestAlone measures what needs no cluster.
func TestAlone(t *testing.T) {
	part(t, "alone", "process", nil, measureProcesses)
	part(t, "alone", "footprint", nil, measureFootprint)
	part(t, "alone", "admission", nil, measureAdmission)
	part(t, "alone", "creations", nil, measureCreations)
}

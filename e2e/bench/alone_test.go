//go:build e2e

package bench

import "testing"

// TestAlone measures what needs no cluster.
func TestAlone(t *testing.T) {
	part(t, "alone", "process", measureProcesses)
	part(t, "alone", "footprint", measureFootprint)
	part(t, "alone", "admission", measureAdmission)
	part(t, "alone", "creations", measureCreations)
}

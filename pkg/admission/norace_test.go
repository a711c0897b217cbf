//go:build !race

package admission

// raceDetector says that the tests run under it: then more is allocated.
const raceDetector = false

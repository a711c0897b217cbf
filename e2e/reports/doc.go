// Package reports tests on a real kubelet what users see of restarts in place: Events, condition, annotation.
// Package api below it tests who may report what, on an API server alone.
package reports

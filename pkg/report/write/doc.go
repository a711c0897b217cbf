// Package write shows in the API what watchers report: Events, a condition and an annotation on their Pods.
// It is level-based: of a Pod the newest report counts, what came in between is written only if there is
// time. It writes no faster than it is allowed to, and forgets what it can't hold.
package write

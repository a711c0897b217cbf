// Package machine decides what happens to a Pod as a whole: when it is restarted in place, in which
// order, when it ends, and when nothing may be started any more. It is pure: Step takes a State and an
// Event and returns the next State and the Effects, which package watcher carries out.
//
// It is level-based. Shims report their whole state, not what changed, and the machine derives from
// phase and reports what each of them should be told. Commands are idempotent, because they carry the
// number of the restart that they belong to. So a watcher that was killed at any point goes on when it
// has its phase from the journal and the shims have reported again.
package machine

// Package source reads Kubernetes objects from files, directories and standard input, remembers where
// each field was written, and prints documents with only the changed parts changed.
package source

// Package docs types the commands of the documentation, page by page, on a cluster that the first of them makes, and
// compares what they say with what the pages show.
package docs

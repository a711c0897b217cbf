// Package api tests the webhook's end of reports on a real API server, with the permissions of the manifests.
package api

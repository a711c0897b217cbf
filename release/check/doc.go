// Package check holds what we install to the rules of others: Kubernetes' schemas, the Pod Security Standards, Helm's
// linter. It has nothing but tests.
package check

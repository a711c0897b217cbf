// Package differential compares what we say of restart rules with what Kubernetes itself says: the
// errors of the validation with those of the API server's, the decisions and the probes with the
// kubelet's, by calling Kubernetes' own code. It is a module of its own, so that k8s.io/kubernetes is no
// dependency of the product, and it has nothing but tests.
//
// The version is that of the texts that we follow, 1.36. So here our packages are compiled with the
// API types of that version, too. After a change of the product's go.mod: go mod tidy here.
package differential

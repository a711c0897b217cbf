// Package certificates keeps the webhook's own serving certificate where nobody else does: it issues one, stores it in
// a Secret, writes its authority into caBundle of the webhook configurations, and replaces it before it ends.
//
// Every certificate has an authority of its own, whose key is never stored. A rotation has two steps, so that no
// request meets a certificate that its client does not trust yet: first the next certificate is stored beside the one
// in use, and clients are told to trust both authorities; when they had time to learn of it, the next takes over. The
// authority of the one before stays trusted until it ends.
//
// Any number of replicas do this at the same time: what the Secret holds is all that they agree on, and the API server
// accepts one of two changes of the same revision.
package certificates

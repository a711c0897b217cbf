// Package admission answers the API server's AdmissionReviews for Pods, and for the kinds that carry Pod
// templates, over HTTPS.
//
// It decodes only what it needs of a review and hands the objects on as the bytes the API server
// sent, so that fields which this version of Kubernetes' types does not know survive.
package admission

package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/pkg/entrypoint/keyring"
)

// ClusterSecrets reads pull secrets from the API server. It keeps nothing of them.
type ClusterSecrets struct{ Client kubernetes.Interface }

// maxSecrets is how many pull secrets of a Pod are read.
const maxSecrets = 20

// Keyring is what the Secrets of these names hold. One that isn't there is passed over, as by the kubelet;
// the error names those that could not be read, and the keyring has the others.
func (s ClusterSecrets) Keyring(ctx context.Context, namespace string, names []string) (*keyring.Keyring, error) {
	k := new(keyring.Keyring)
	var problems []string
	for _, name := range names[:min(len(names), maxSecrets)] {
		if err := s.add(ctx, k, namespace, name); err != nil {
			problems = append(problems, fmt.Sprintf("imagePullSecret %q: %v", name, err))
		}
	}
	if len(problems) > 0 {
		return k, errors.New(strings.Join(problems, "; "))
	}
	return k, nil
}

func (s ClusterSecrets) add(ctx context.Context, k *keyring.Keyring, namespace, name string) error {
	secret, err := s.Client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return errors.New("there is no such Secret")
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the webhook may not read it: bind the ClusterRole restartrules-pull-secrets in namespace %s", namespace)
	case err != nil:
		return errors.New("the API server did not give it: " + string(apierrors.ReasonForError(err)))
	}
	switch secret.Type {
	case corev1.SecretTypeDockerConfigJson:
		err = k.AddConfigJSON(secret.Data[corev1.DockerConfigJsonKey])
	case corev1.SecretTypeDockercfg:
		err = k.AddConfig(secret.Data[corev1.DockerConfigKey])
	default:
		err = fmt.Errorf("it is of type %q, expected %s", secret.Type, corev1.SecretTypeDockerConfigJson)
	}
	return err
}

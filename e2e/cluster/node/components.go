package node

import "path/filepath"

// components are the processes of a cluster, in the order in which they are stopped: what starts something first.
var components = []string{"kubelet", "kube-scheduler", "kube-controller-manager", "containerd", "kube-apiserver", "etcd"}

func (c *Cluster) startEtcd() error {
	// It listens on localhost, which is the namespace's.
	return c.start(filepath.Join(c.Binaries.Etcd, "etcd"), "--data-dir="+c.path("etcd"), "--unsafe-no-fsync")
}

func (c *Cluster) startContainerd() error {
	return c.start(filepath.Join(c.Binaries.Containerd, "containerd"), "--config="+c.path("containerd.toml"))
}

func (c *Cluster) startAPIServer() error {
	return c.startKubernetes("kube-apiserver",
		"--etcd-servers=http://127.0.0.1:2379",
		// Without kube-proxy nothing translates the port of the service, so the API server has it itself.
		"--bind-address=0.0.0.0", "--secure-port=443",
		"--advertise-address="+c.subnet().Node.String(),
		"--service-cluster-ip-range="+serviceSubnet,
		// Without kube-proxy a webhook's Service can only be reached at the endpoints.
		"--enable-aggregator-routing=true",
		"--tls-cert-file="+c.path("pki/apiserver.crt"), "--tls-private-key-file="+c.path("pki/apiserver.key"),
		"--client-ca-file="+c.path("pki/ca.crt"),
		"--kubelet-client-certificate="+c.path("pki/admin.crt"), "--kubelet-client-key="+c.path("pki/admin.key"),
		"--kubelet-certificate-authority="+c.path("pki/ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.path("pki/service-account.key"), "--service-account-signing-key-file="+c.path("pki/service-account.key"),
		"--authorization-mode=Node,RBAC",
		"--allow-privileged",
	)
}

func (c *Cluster) startControllerManager() error {
	return c.startKubernetes("kube-controller-manager",
		"--kubeconfig="+c.Kubeconfig(),
		"--use-service-account-credentials=true", // each controller under its own name, as usual
		"--service-account-private-key-file="+c.path("pki/service-account.key"),
		"--root-ca-file="+c.path("pki/ca.crt"),
		"--cluster-signing-cert-file="+c.path("pki/ca.crt"), "--cluster-signing-key-file="+c.path("pki/ca.key"),
		// It makes this directory, by default below /usr.
		"--flex-volume-plugin-dir="+c.path("kubelet/volume-plugins"),
		"--leader-elect=false",
	)
}

func (c *Cluster) startScheduler() error {
	return c.startKubernetes("kube-scheduler", "--kubeconfig="+c.Kubeconfig(), "--leader-elect=false")
}

// startKubernetes starts a component that takes feature gates by flag.
func (c *Cluster) startKubernetes(component string, args ...string) error {
	if len(c.FeatureGates) > 0 {
		args = append(args, "--feature-gates="+c.FeatureGates.String())
	}
	return c.start(filepath.Join(c.Binaries.Kubernetes, component), args...)
}

func (c *Cluster) startKubelet() error {
	return c.start(filepath.Join(c.Binaries.Kubernetes, "kubelet"),
		"--config="+c.path("kubelet.yaml"),
		"--kubeconfig="+c.kubeletKubeconfig(),
		"--root-dir="+c.path("kubelet"),
		"--hostname-override="+NodeName,
		"--node-ip="+c.subnet().Node.String(),
		"-v=2",
	)
}
